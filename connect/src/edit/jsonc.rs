//! JSON with comments, and JSON5: `jsonc-parser`'s lossless tree.

use super::{EditError, Step, Way, wrapped};
use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value;

fn parse(text: &str) -> Result<CstRootNode, EditError> {
    // A missing comma is a slip that the client itself would refuse.
    let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
    CstRootNode::parse(text, &options).map_err(|error| EditError::Broken(error.to_string()))
}

/// The values of a text.
pub(super) fn read(text: &str) -> Result<Value, EditError> {
    let root = parse(text)?;
    if let Some(value) = root.value() {
        refuse_twice(&value)?;
    }
    Ok(root.to_serde_value().unwrap_or_default())
}

fn refuse_twice(node: &CstNode) -> Result<(), EditError> {
    if let Some(object) = node.as_object() {
        let mut seen = std::collections::HashSet::new();
        for property in object.properties() {
            let name = property.decoded_name().unwrap_or_default();
            if !seen.insert(name.clone()) {
                return Err(EditError::Twice(name));
            }
            property.value().as_ref().map_or(Ok(()), refuse_twice)?;
        }
    }
    node.as_array().map_or(Ok(()), |array| array.elements().iter().try_for_each(refuse_twice))
}

/// Where a walk ends: the container that holds the next step, and the value of that step where it is there.
enum Place {
    Member(CstObject, String, Option<CstNode>),
    Element(CstArray, Option<CstNode>),
}

/// Walks as far as the way exists: the place at which it ends, and how many steps lie behind it.
fn walk(root: &CstRootNode, way: &[Step]) -> Result<(Place, usize), EditError> {
    let mut node: Option<CstNode> = None;
    for (at, step) in way.iter().enumerate() {
        let blocked = || EditError::InTheWay(Way(&way[..at]).to_string());
        let place = match step {
            Step::Key(key) => {
                let object = match &node {
                    None => root.object_value_or_create().ok_or_else(blocked)?,
                    Some(node) => node.as_object().ok_or_else(blocked)?,
                };
                let inner =
                    object.properties().into_iter().find(|found| found.decoded_name().as_ref() == Some(key));
                let inner = inner.and_then(|property| property.value());
                Place::Member(object, key.clone(), inner)
            }
            Step::Item(text) => {
                let array = match &node {
                    None => root.array_value_or_create().ok_or_else(blocked)?,
                    Some(node) => node.as_array().ok_or_else(blocked)?,
                };
                let is_it = |node: &CstNode| {
                    node.to_serde_value().is_some_and(|value| value.to_string().contains(text.as_str()))
                };
                let inner = array.elements().into_iter().find(is_it);
                Place::Element(array, inner)
            }
        };
        let (Place::Member(_, _, inner) | Place::Element(_, inner)) = &place;
        let is_end = at + 1 == way.len();
        match inner {
            Some(inner) if !is_end && inner.as_null_keyword().is_none() => node = Some(inner.clone()),
            _ => return Ok((place, way.len() - at - 1)),
        }
    }
    Err(EditError::InTheWay("the file".to_owned()))
}

/// Sets a key.
pub(super) fn set(text: &str, way: &[Step], value: &Value) -> Result<String, EditError> {
    let root = parse(text)?;
    let (place, left) = walk(&root, way)?;
    let value = input(&wrapped(&way[way.len() - left..], value));
    match place {
        Place::Member(object, key, None) => {
            object.append(&key, value);
        }
        Place::Member(object, key, Some(_)) => {
            let property =
                object.properties().into_iter().find(|found| found.decoded_name().as_ref() == Some(&key));
            property.ok_or_else(|| EditError::TooIntricate(Way(way).to_string()))?.set_value(value);
        }
        Place::Element(array, None) => {
            array.append(value);
        }
        Place::Element(array, Some(element)) => {
            let index =
                array.elements().iter().position(|found| found.child_index() == element.child_index());
            let index = index.ok_or_else(|| EditError::TooIntricate(Way(way).to_string()))?;
            element.remove();
            array.insert(index, value);
        }
    }
    let mut text = root.to_string();
    if !text.ends_with('\n') && (root.value().is_none() || text.trim() == text && way.is_empty()) {
        text.push('\n');
    }
    Ok(text)
}

/// Takes a key away.
pub(super) fn remove(text: &str, way: &[Step]) -> Result<String, EditError> {
    let root = parse(text)?;
    match walk(&root, way)? {
        (Place::Member(object, key, _), 0) => {
            let property =
                object.properties().into_iter().find(|found| found.decoded_name().as_ref() == Some(&key));
            property.ok_or_else(|| EditError::TooIntricate(Way(way).to_string()))?.remove();
        }
        (Place::Element(_, Some(element)), 0) => element.remove(),
        _ => return Err(EditError::TooIntricate(Way(way).to_string())),
    }
    Ok(root.to_string())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(elements) => CstInputValue::Array(elements.iter().map(input).collect()),
        Value::Object(members) => {
            CstInputValue::Object(members.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}
