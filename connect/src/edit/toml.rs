//! TOML: `toml_edit`'s tree.

use super::{EditError, Step, Way, wrapped};
use serde_json::{Map, Value};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike};

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| EditError::Broken(error.to_string().trim_end().to_owned()))
}

/// The values of a text.
pub(super) fn read(text: &str) -> Result<Value, EditError> {
    Ok(of_table(parse(text)?.as_table()))
}

fn of_table(table: &dyn TableLike) -> Value {
    Value::Object(table.iter().map(|(key, item)| (key.to_owned(), of_item(item))).collect())
}

fn of_item(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => of_value(value),
        Item::Table(table) => of_table(table),
        Item::ArrayOfTables(tables) => Value::Array(tables.iter().map(|table| of_table(table)).collect()),
    }
}

fn of_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(number) => (*number.value()).into(),
        toml_edit::Value::Float(number) => {
            // Infinity is no JSON; its text compares as well.
            let number = *number.value();
            serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        toml_edit::Value::Boolean(value) => (*value.value()).into(),
        toml_edit::Value::Datetime(time) => time.value().to_string().into(),
        toml_edit::Value::Array(array) => Value::Array(array.iter().map(of_value).collect()),
        toml_edit::Value::InlineTable(table) => of_table(table),
    }
}

/// Sets a key.
pub(super) fn set(text: &str, way: &[Step], value: &Value) -> Result<String, EditError> {
    let mut document = parse(text)?;
    set_in(document.as_table_mut(), way, 0, value)?;
    Ok(document.to_string())
}

fn set_in(table: &mut dyn TableLike, way: &[Step], at: usize, value: &Value) -> Result<(), EditError> {
    let blocked = || EditError::InTheWay(Way(&way[..=at]).to_string());
    let Some(Step::Key(key)) = way.get(at) else { return Err(blocked()) };
    let Some(item) = table.get_mut(key) else {
        let value = wrapped(&way[at + 1..], value);
        table.insert(key, item(&value, true));
        return Ok(());
    };
    match (&way[at + 1..], item) {
        ([], old) => {
            let mut new = self::item(value, old.is_table() || old.is_array_of_tables());
            if let (Item::Value(old), Item::Value(new)) = (&*old, &mut new) {
                *new.decor_mut() = old.decor().clone();
            }
            *old = new;
            Ok(())
        }
        ([Step::Item(text), rest @ ..], Item::ArrayOfTables(tables)) => {
            let index = tables.iter().position(|table| of_table(table).to_string().contains(text.as_str()));
            match index.and_then(|index| tables.get_mut(index)) {
                Some(table) if rest.is_empty() => *table = new_table(value).ok_or_else(blocked)?,
                Some(table) => return set_in(table, way, at + 2, value),
                None => tables.push(new_table(&wrapped(rest, value)).ok_or_else(blocked)?),
            }
            Ok(())
        }
        ([Step::Item(text)], Item::Value(toml_edit::Value::Array(array))) => {
            let index =
                array.iter().position(|element| of_value(element).to_string().contains(text.as_str()));
            match index {
                Some(index) => {
                    array.replace(index, inline(value));
                }
                None => array.push(inline(value)),
            }
            Ok(())
        }
        ([Step::Key(_), ..], item) => {
            set_in(item.as_table_like_mut().ok_or_else(blocked)?, way, at + 1, value)
        }
        _ => Err(blocked()),
    }
}

/// Takes a key away.
pub(super) fn remove(text: &str, way: &[Step]) -> Result<String, EditError> {
    let mut document = parse(text)?;
    remove_in(document.as_table_mut(), way).ok_or_else(|| EditError::TooIntricate(Way(way).to_string()))?;
    Ok(document.to_string())
}

fn remove_in(table: &mut dyn TableLike, way: &[Step]) -> Option<()> {
    match way {
        [Step::Key(key)] => table.remove(key).map(drop),
        [Step::Key(key), Step::Item(text), rest @ ..] => match table.get_mut(key)? {
            Item::ArrayOfTables(tables) => {
                let index =
                    tables.iter().position(|table| of_table(table).to_string().contains(text.as_str()))?;
                if rest.is_empty() {
                    tables.remove(index);
                    return Some(());
                }
                remove_in(tables.get_mut(index)?, rest)
            }
            Item::Value(toml_edit::Value::Array(array)) if rest.is_empty() => {
                let index =
                    array.iter().position(|element| of_value(element).to_string().contains(text.as_str()))?;
                array.remove(index);
                Some(())
            }
            _ => None,
        },
        [Step::Key(key), rest @ ..] => remove_in(table.get_mut(key)?.as_table_like_mut()?, rest),
        _ => None,
    }
}

/// A value as it is written at a place where tables with a head of their own may stand, or only values.
fn item(value: &Value, may_be_table: bool) -> Item {
    match value {
        Value::Object(_) if may_be_table => new_table(value).map_or(Item::None, Item::Table),
        Value::Array(elements)
            if may_be_table && !elements.is_empty() && elements.iter().all(Value::is_object) =>
        {
            Item::ArrayOfTables(elements.iter().filter_map(new_table).collect::<ArrayOfTables>())
        }
        value => Item::Value(inline(value)),
    }
}

fn new_table(value: &Value) -> Option<Table> {
    let members: &Map<String, Value> = value.as_object()?;
    let mut table = Table::new();
    // A table that only leads to others needs no head of its own.
    table.set_implicit(!members.is_empty() && members.values().all(Value::is_object));
    for (key, value) in members {
        table.insert(key, item(value, true));
    }
    Some(table)
}

fn inline(value: &Value) -> toml_edit::Value {
    match value {
        // TOML knows no null; no plan of ours holds one.
        Value::Null => "".into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(elements) => toml_edit::Value::Array(elements.iter().map(inline).collect::<Array>()),
        Value::Object(members) => toml_edit::Value::InlineTable(
            members.iter().map(|(key, value)| (key.as_str(), inline(value))).collect::<InlineTable>(),
        ),
    }
}

/// A map as TOML, for tests.
#[cfg(test)]
pub(super) fn written(value: &Value) -> String {
    let mut document = DocumentMut::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        document.insert(key, item(value, true));
    }
    document.to_string()
}
