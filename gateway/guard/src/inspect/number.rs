//! Numbers of JSON as they are read elsewhere.

/// The most digits that a number is written out with. What is longer is no number that anybody would deny.
const DIGITS_MAX: usize = 64;

/// Numbers with fewer digits before their point are no account, card or id.
const SHORT_DIGITS: usize = 4;

/// A number without sign, exponent and zeros that say nothing: `4.25e2` and `-425.0` are `425`. `None` where it is
/// written so already, or would be longer than anybody writes.
pub(super) fn plain(written: &str) -> Option<String> {
    let unsigned = written.strip_prefix('-').unwrap_or(written);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Most numbers by far are small parts of one: as they are written they read as they do anywhere.
    if exponent == 0 && whole.len() < SHORT_DIGITS {
        return None;
    }
    let digits = [whole, fraction].concat();
    // Where the point stands among the digits.
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let limit = i64::try_from(DIGITS_MAX).ok()?;
    if digits.len() > DIGITS_MAX || !(-limit..=limit).contains(&point) {
        return None;
    }
    let digit = |place: i64| {
        let at = usize::try_from(place).ok();
        at.and_then(|at| digits.as_bytes().get(at)).map_or('0', |digit| char::from(*digit))
    };
    let end = i64::try_from(digits.len()).ok()?.max(point);
    let whole: String = (0.min(point)..point).map(digit).collect();
    let fraction: String = (point..end).map(digit).collect();
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let plain = match (whole, fraction) {
        ("", "") => return None,
        ("", fraction) => format!("0.{fraction}"),
        (whole, "") => whole.to_owned(),
        (whole, fraction) => format!("{whole}.{fraction}"),
    };
    (plain != written).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_the_same_in_every_spelling() {
        for written in
            ["-52600", "5.26e4", "5.26E+4", "52600.0", "526e2", "5260000e-2", "0.0526e6", "-526.00e+02"]
        {
            assert_eq!(plain(written).as_deref(), Some("52600"), "{written}");
        }
        for (written, wanted) in [
            ("7112.50", Some("7112.5")),
            ("-0.25", None),
            ("-0.012345678", None),
            ("25e-3", Some("0.025")),
            ("52600", None),
            ("12.5", None),
            ("0", None),
            ("-0.0", None),
            ("0e9", None),
            ("1e999999999999999999999", None),
            ("1e-400", None),
            ("1e400", None),
        ] {
            assert_eq!(plain(written).as_deref(), wanted, "{written}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_is_the_same_number(whole in 0..1_000_000_u64, fraction in 0..1000_u32, exponent in -9..9_i32) {
            let written = format!("{whole}.{fraction:03}e{exponent}");
            let plain = plain(&written).unwrap_or_else(|| written.clone());
            let (one, other): (f64, f64) = (written.parse().unwrap(), plain.parse().unwrap());
            proptest::prop_assert!((one - other).abs() <= one.abs() * 1e-12, "{} {}", written, plain);
        }
    }
}
