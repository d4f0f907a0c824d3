//! Deterministic text that reads like English, and terms that look like names and projects.

/// Common words, the most frequent first; drawn with Zipf's law.
const WORDS: &str = "the of and to a in that is was he for it with as his on be at by I this had not are but \
from or have an they which one you were her all she there would their we him been has when who will more no if \
out so said what up its about into than them can only other new some could time these two may then do first any \
my now such like our over man me even most made after also did many before must through back years where much \
your way well down should because each just those people how too little state good very make world still own see \
men work long get here between both life being under never day same another know while last might us great old \
year off come since against go came right used take three states himself few house use during without again \
place American around however home small found thought went say part once general high upon school every does \
got united left number course war until always away something fact though water less public put thing almost \
hand enough far took head yet government system better set told nothing night end why called find going look \
asked later knew point next program city business give group toward young days let room word social side given \
present order often second rather early possible important large among case members face things form interest";

/// The same numbers on every machine (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ number >> 31
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// A word that could be English: one to three syllables.
fn invented(numbers: &mut Numbers) -> String {
    const HEADS: [&str; 24] = [
        "b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pr", "r", "s",
        "st", "t", "tr", "v", "w",
    ];
    const VOWELS: [&str; 9] = ["a", "e", "i", "o", "u", "ai", "ea", "ou", "ie"];
    const TAILS: [&str; 12] = ["", "n", "r", "l", "s", "t", "nd", "rt", "ck", "m", "ng", "st"];
    let syllables = 1 + numbers.below(3);
    (0..syllables)
        .map(|_| [numbers.pick(&HEADS), numbers.pick(&VOWELS), numbers.pick(&TAILS)].concat())
        .collect()
}

/// About `bytes` bytes of text: common words, one in six invented, sentences and paragraphs.
pub(crate) fn english(bytes: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut numbers = Numbers(1);
    let mut text = String::with_capacity(bytes + 64);
    let mut sentence = 0;
    while text.len() < bytes {
        let rank = (words.len() as f64).powf(numbers.below(1_000_000) as f64 / 1e6) as usize - 1;
        let mut word = if numbers.below(6) == 0 { invented(&mut numbers) } else { words[rank].to_owned() };
        if sentence == 0 {
            word = word[..1].to_uppercase() + &word[1..];
        }
        text.push_str(&word);
        sentence += 1;
        let ends = sentence > 4 && numbers.below(12) == 0;
        text.push_str(match (ends, numbers.below(40)) {
            (true, 0..8) => ".\n\n",
            (true, _) => ". ",
            (false, 0..3) => ", ",
            (false, 3) => "-",
            (false, 4..7) => "\n",
            _ => " ",
        });
        sentence = if ends { 0 } else { sentence };
    }
    text
}

/// Different names of people, projects and products.
pub(crate) fn terms(count: usize) -> Vec<String> {
    let mut numbers = Numbers(2);
    let mut terms = std::collections::BTreeSet::new();
    while terms.len() < count {
        let word = invented(&mut numbers) + &invented(&mut numbers);
        let second = invented(&mut numbers) + &invented(&mut numbers);
        terms.insert(match numbers.below(4) {
            0 => format!("project {word}"),
            1 | 2 => format!("{word} {second}"),
            _ => word,
        });
    }
    terms.into_iter().collect()
}
