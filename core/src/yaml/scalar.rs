//! Types of plain scalars: the core schema of YAML 1.2, in which `no` and `off` are text.

use super::node::Value;

/// The value of a scalar that stands without quotes.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = |part: &str, base: u32| !part.is_empty() && part.chars().all(|digit| digit.is_digit(base));
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, "")) => digits(whole, 10),
        Some(("", fraction)) => digits(fraction, 10),
        Some((whole, fraction)) => digits(whole, 10) && digits(fraction, 10),
        None => digits(mantissa, 10),
    };
    mantissa_fits && exponent.is_none_or(|exponent| digits(exponent, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_decides() {
        for number in
            ["0", "-1", "+12", "1.5", ".5", "1.", "1e3", "1.5E-3", "0x1F", "0o17", ".inf", "-.inf", ".nan"]
        {
            assert_eq!(plain(number), Value::Number(number.to_owned()));
        }
        for text in ["no", "off", "yes", "1_000", "1.2.3", "e3", ".", "-", "0xg", "1e", "12:30", "- 1", "４"]
        {
            assert_eq!(plain(text), Value::Text(text.to_owned()), "{text}");
        }
        for null in ["", "~", "null"] {
            assert_eq!(plain(null), Value::Null);
        }
        assert_eq!(plain("TRUE"), Value::Bool(true));
    }
}
