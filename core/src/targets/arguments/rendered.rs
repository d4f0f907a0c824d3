//! Markdown as it is shown.

/// Entities and escapes of Markdown that can hide an address.
pub(super) fn rendered(markdown: &str) -> String {
    let mut plain = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some(at) = rest.find(['&', '\\']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\\') {
            let escapes = after.starts_with(|next: char| next.is_ascii_punctuation());
            plain.push_str(if escapes { "" } else { "\\" });
            // The escaped letter is taken as it is, an ampersand too.
            let taken = after.chars().next().filter(|_| escapes).map_or(0, char::len_utf8);
            plain.push_str(&after[..taken]);
            rest = &after[taken..];
            continue;
        }
        let name = rest[1..].bytes().take(10).position(|byte| byte == b';').map(|end| &rest[1..=end]);
        let decoded = name.and_then(|name| match name {
            "colon" => Some(':'),
            "sol" => Some('/'),
            "period" => Some('.'),
            "commat" => Some('@'),
            "amp" => Some('&'),
            "num" => Some('#'),
            "quest" => Some('?'),
            "Tab" => Some('\t'),
            "NewLine" => Some('\n'),
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }
        });
        match (decoded, name) {
            (Some(letter), Some(name)) => {
                plain.push(letter);
                rest = &rest[name.len() + 2..];
            }
            _ => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}
