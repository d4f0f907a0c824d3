//! Targets of the commands of PowerShell that speak to the network.

use super::super::finder::Finder;
use super::Word;
use super::network::address;

/// Parameters that name a place, and those whose value is none, each from its first letters on.
const PLACES: &[&str] = &["uri", "url", "proxy", "source", "computername", "targetname", "name", "server"];
const VALUES: &[&str] = &[
    "method",
    "body",
    "headers",
    "outfile",
    "infile",
    "contenttype",
    "useragent",
    "timeoutsec",
    "credential",
    "websession",
    "sessionvariable",
    "form",
    "maximumredirection",
    "destination",
    "port",
    "type",
    "count",
];

/// Whether it is one of those.
pub(super) fn is_known(name: &str) -> bool {
    [
        "iwr",
        "irm",
        "invoke-webrequest",
        "invoke-restmethod",
        "start-bitstransfer",
        "test-netconnection",
        "tnc",
        "test-connection",
        "resolve-dnsname",
    ]
    .contains(&name)
}

/// Finds them: parameters in any spelling (`-Uri x`, `-Uri:x`, `-Ur x`), and what has no name.
pub(super) fn find(finder: &mut Finder, rest: &[Word]) {
    let mut at = 0;
    while let Some(word) = rest.get(at) {
        at += 1;
        let Some(option) = word.text.strip_prefix('-') else {
            if word.text.parse::<u16>().is_err() {
                address(finder, word, "http");
            }
            continue;
        };
        let (name, own) = option.split_once(':').map_or((option, None), |(name, value)| (name, Some(value)));
        let name = name.to_ascii_lowercase();
        let fits = |list: &[&str]| list.iter().any(|known| !name.is_empty() && known.starts_with(&name));
        if !fits(PLACES) && !fits(VALUES) {
            continue;
        }
        let own = own.map(|own| word.part(own));
        at += usize::from(own.is_none());
        if let Some(value) = own.as_ref().or_else(|| rest.get(at - 1)).filter(|_| fits(PLACES)) {
            address(finder, value, "http");
        }
    }
}
