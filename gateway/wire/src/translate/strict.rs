//! Reading that leaves nothing behind: every field of an object is either taken or refused by name.

use super::refused::{NO_COUNTERPART, Untranslatable};
use crate::json;
use serde_json::{Map, Number, Value};

const WRONG_TYPE: &str = "is not of the type that the API asks for";

/// Reads a request body.
///
/// # Errors
/// Also where a value would change on the way: a key that stands twice, or a number that is too large or
/// too fine to be written again as it was.
pub(crate) fn read(body: &[u8]) -> Result<Value, Untranslatable> {
    let text = std::str::from_utf8(body).map_err(|_| Untranslatable::new("body", WRONG_TYPE))?;
    let value = json::parse(text).map_err(|_| Untranslatable::new("body", "is not valid JSON"))?;
    convert(&value, "", true)
}

/// Reads what a provider said. Numbers are taken as they can be.
pub(crate) fn read_leniently(body: &str) -> Result<Value, Untranslatable> {
    let value = json::parse(body).map_err(|_| Untranslatable::new("body", "is not valid JSON"))?;
    convert(&value, "", false)
}

fn convert(value: &json::Value<'_>, place: &str, exact: bool) -> Result<Value, Untranslatable> {
    Ok(match value {
        json::Value::Null => Value::Null,
        json::Value::Bool(truth) => Value::Bool(*truth),
        json::Value::String(text) => Value::String(text.text().into_owned()),
        json::Value::Number(digits) => Value::Number(number(digits, place, exact)?),
        json::Value::Array(elements) => {
            let mut list = Vec::with_capacity(elements.len());
            for (index, element) in elements.iter().enumerate() {
                list.push(convert(element, &at_index(place, index), exact)?);
            }
            Value::Array(list)
        }
        json::Value::Object { members, .. } => {
            let mut map = Map::with_capacity(members.len());
            for (key, member) in members {
                let key = key.text().into_owned();
                let inner = at_key(place, &key);
                let member = convert(member, &inner, exact)?;
                if map.insert(key, member).is_some() && exact {
                    return Err(Untranslatable::new(inner, "stands twice"));
                }
            }
            Value::Object(map)
        }
    })
}

/// A number that is written again with the same value: whole and within 64 bits, or of at most 15 digits.
fn number(digits: &str, place: &str, exact: bool) -> Result<Number, Untranslatable> {
    let inexact = || Untranslatable::new(place, "is a number that cannot be carried exactly");
    let parsed: Number = serde_json::from_str(digits).map_err(|_| inexact())?;
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).count();
    if exact && parsed.is_f64() && significant > 15 {
        return Err(inexact());
    }
    Ok(parsed)
}

pub(crate) fn at_key(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

pub(crate) fn at_index(place: &str, index: usize) -> String {
    format!("{place}[{index}]")
}

/// The fields of one object that nobody has taken yet. `null` counts as absent.
pub(crate) struct Object {
    place: String,
    members: Map<String, Value>,
}

impl Object {
    pub(crate) fn of(value: Value, place: impl Into<String>) -> Result<Object, Untranslatable> {
        let place = place.into();
        match value {
            Value::Object(members) => Ok(Object { place, members }),
            _ => Err(Untranslatable::new(if place.is_empty() { "body" } else { &place }, WRONG_TYPE)),
        }
    }

    /// The full name of a field of this object.
    pub(crate) fn place(&self, key: &str) -> String {
        at_key(&self.place, key)
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.members.remove(key).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, Untranslatable> {
        self.typed(key, |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// A text that must be there.
    pub(crate) fn needed(&mut self, key: &str) -> Result<String, Untranslatable> {
        self.text(key)?.ok_or_else(|| Untranslatable::new(self.place(key), "is missing"))
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, Untranslatable> {
        self.typed(key, |value| value.as_bool())
    }

    pub(crate) fn whole(&mut self, key: &str) -> Result<Option<u64>, Untranslatable> {
        self.typed(key, |value| value.as_u64())
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<Option<Number>, Untranslatable> {
        self.typed(key, |value| match value {
            Value::Number(number) => Some(number),
            _ => None,
        })
    }

    /// The elements of a list, each with its place.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<(Value, String)>, Untranslatable> {
        let place = self.place(key);
        let list = self.typed(key, |value| match value {
            Value::Array(list) => Some(list),
            _ => None,
        })?;
        let numbered = list.unwrap_or_default().into_iter().enumerate();
        Ok(numbered.map(|(index, value)| (value, at_index(&place, index))).collect())
    }

    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Object>, Untranslatable> {
        let place = self.place(key);
        self.take(key).map(|value| Object::of(value, place)).transpose()
    }

    /// A field that may only say what holds anyway.
    pub(crate) fn accept(&mut self, key: &str, harmless: &[Value]) -> Result<(), Untranslatable> {
        match self.take(key) {
            Some(value) if !harmless.contains(&value) => Err(Untranslatable::nowhere(self.place(key))),
            _ => Ok(()),
        }
    }

    /// A field that changes neither what is said nor what it means.
    pub(crate) fn hint(&mut self, key: &str) {
        self.members.remove(key);
    }

    /// Refuses the first field that was not taken.
    pub(crate) fn finish(self) -> Result<(), Untranslatable> {
        match self.members.iter().find(|(_, value)| !value.is_null()) {
            Some((key, _)) => Err(Untranslatable::new(at_key(&self.place, key), NO_COUNTERPART)),
            None => Ok(()),
        }
    }

    fn typed<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, Untranslatable> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => {
                read(value).map(Some).ok_or_else(|| Untranslatable::new(self.place(key), WRONG_TYPE))
            }
        }
    }
}
