//! Whole texts: what a term matches, and what it must leave alone.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use zos_rules::{
    Action, CompileError, Evasion, Evasions, Room, RuleKind, RuleSpec, Ruleset, Term, TermError, Violation,
};

fn rule(term: &str) -> RuleSpec {
    RuleSpec::new("rule", RuleKind::Term(Term::new(term).unwrap()))
}

fn scan_rules(rules: Vec<RuleSpec>, text: &str) -> Vec<Violation> {
    let room = Room { name: "room".to_owned(), rules };
    let ruleset = Arc::new(Ruleset::compile(&[room]).unwrap());
    let mut found = Vec::new();
    ruleset.room("room").unwrap().scan(text, &mut found);
    found
}

/// Checks what of `text` is a violation of `term`, in brackets.
#[track_caller]
fn check(term: &str, marked: &str) {
    let text = marked.replace(['⟦', '⟧'], "");
    let mut seen = String::new();
    let mut at = 0;
    for violation in scan_rules(vec![rule(term)], &text) {
        seen.push_str(&text[at..violation.span.start]);
        seen.push('⟦');
        seen.push_str(&text[violation.span.clone()]);
        seen.push('⟧');
        at = violation.span.end;
    }
    seen.push_str(&text[at..]);
    assert_eq!(seen, marked, "term {term:?}");
}

#[test]
fn a_term_matches_whole_words_only() {
    check("Ann", "⟦Ann⟧ and ⟦ANN⟧, ⟦ann⟧. Annual Hanna Joann annex");
    check("Ann", "⟦Ann⟧");
    check("Falcon", "_⟦Falcon⟧_ ⟦FALCON⟧_API vfalcon");
    check("Falcon", "⟦Falcon⟧2 3⟦falcon⟧ (⟦falcon⟧)/⟦falcon⟧");
    check("4711", "⟦4711⟧ 47110 14711 A⟦4711⟧B 4 7 1 1");
    check("C++", "⟦C++⟧ and ⟦c++⟧17, not ABC++");
    check(".env", "open ⟦.env⟧ and prod⟦.env⟧ not .environment");
}

#[test]
fn possessives_and_plurals_match_unless_exact() {
    check("Falcon", "⟦Falcon⟧'s ⟦Falcons⟧ ⟦Falcons⟧' ⟦Falcon⟧’s Falconss falconry");
    let exact = RuleSpec { exact: true, ..rule("Falcon") };
    assert_eq!(scan_rules(vec![exact], "Falcons Falcon's").len(), 1);
    check("4711", "⟦4711⟧s");
}

#[test]
fn spellings_match() {
    check("Project Falcon", "⟦project  \t falcon⟧ ⟦PROJECT\r\nFALCON⟧ ⟦project\u{A0}falcon⟧ projectx falcon");
    check("Project Falcon", "> the ⟦project\n> > falcon⟧ is");
    check("Project Falcon", "- a ⟦project\n  * falcon⟧\n// ⟦project\n// falcon⟧");
    check("Müller", "⟦Muller⟧ ⟦MÜLLER⟧ ⟦Mu\u{308}ller⟧ ⟦Müllers⟧");
    check("Straße", "⟦STRASSE⟧ ⟦straße⟧ ⟦STRAẞE⟧");
    check("Falcon", "⟦Ｆａｌｃｏｎ⟧ ⟦𝐅𝐚𝐥𝐜𝐨𝐧⟧ ⟦Ⓕⓐⓛⓒⓞⓝ⟧ ⟦F\u{200B}al\u{AD}co\u{301}n\u{301}⟧ \u{202E}⟦Falcon⟧");
    check("fine flow", "⟦ﬁne ﬂow⟧");
    check("O'Brien", "⟦O’Brien⟧ ⟦O'Briens⟧");
}

#[test]
fn look_alikes_match_and_stay_apart_from_real_words() {
    check("Falcon", "⟦Fаlcоn⟧");
    check("Project Apollo", "⟦Рrоjесt Ароllо⟧ ⟦ΡROJECT APOLLO⟧");
    check("Вода", "⟦вода⟧ ⟦ВОДА⟧ ⟦вoдa⟧ водах");
    check("Finance", "⟦FІNANCE⟧ ⟦fіnаnсе⟧");
    check("Falcon", "⟦🅵🅰🅻🅲🅾🅽⟧ 🇫🇷 ⟦🇫🇦🇱🇨🇴🇳⟧");
    check("DE", "🇩🇪 ⟦de⟧");
    let found = scan_rules(vec![rule("Falcon")], "Fаlcon falcon");
    assert_eq!(found[0].evasion, Some(Evasion::Confusables));
    assert_eq!(found[1].evasion, None);
    let off = RuleSpec { evasions: Evasions::ALL.without(Evasion::Confusables), ..rule("Falcon") };
    assert_eq!(scan_rules(vec![off], "Fаlcon falcon").len(), 1);
}

#[test]
fn scripts_without_spaces_have_no_boundaries() {
    check("隼", "プロジェクト⟦隼⟧の計画");
    check("プロジェクト", "新⟦プロジェクト⟧の ⟦ﾌﾟﾛｼﾞｪｸﾄ⟧");
    check("나무가", "큰⟦나무가⟧ 나무각");
    check("กาแฟ", "ร้าน⟦กาแฟ⟧ดี");
    check("か", "が ⟦か⟧");
    check("Falcon", "計画⟦Falcon⟧の");
}

#[test]
fn overlapping_terms_are_all_reported_in_order() {
    let rules = vec![rule("Lee"), rule("Ann Lee"), rule("Ann"), rule("Lee Falcon")];
    let found: Vec<_> = scan_rules(rules, "Ann Lee Falcon").into_iter().map(|v| (v.rule, v.span)).collect();
    assert_eq!(found, [(2, 0..3), (1, 0..7), (0, 4..7), (3, 4..14)]);
}

#[test]
fn padding_beyond_the_bound_is_a_violation() {
    let text = format!("say Fal{}, more", "\u{200B}".repeat(3000));
    let found = scan_rules(vec![rule("Falcon")], &text);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].span.start, found[0].evasion), (4, Some(Evasion::Padding)));
    check("Falcon", &format!("⟦Fal{}con⟧", "\u{200B}".repeat(300)));
}

#[test]
fn rooms_see_their_own_rules_only() {
    let room = |name: &str, terms: &[&str]| Room {
        name: name.to_owned(),
        rules: terms.iter().map(|term| rule(term)).collect(),
    };
    let rooms = [room("a", &["Falcon", "Ann"]), room("b", &["Bob", "Falcon"]), room("c", &[])];
    let ruleset = Arc::new(Ruleset::compile(&rooms).unwrap());
    let rules_in = |name: &str| {
        let mut found = Vec::new();
        ruleset.room(name).unwrap().scan("Ann, Bob and the Falcon", &mut found);
        found.into_iter().map(|violation| violation.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules_in("a"), [1, 0]);
    assert_eq!(rules_in("b"), [0, 1]);
    assert!(rules_in("c").is_empty() && ruleset.room("c").unwrap().is_empty());
    assert!(ruleset.room("d").is_none() && ruleset.memory_bytes() > 0);
}

#[test]
fn what_cannot_work_is_refused() {
    assert_eq!(Term::new(" \u{200B} "), Err(TermError::Empty));
    assert_eq!(Term::new("--"), Err(TermError::OnlyPunctuation));
    assert_eq!(Term::new(&"x".repeat(1025)), Err(TermError::TooLong { bytes: 1025 }));
    let twice = [Room { name: "a".into(), rules: vec![] }, Room { name: "a".into(), rules: vec![] }];
    assert_eq!(Ruleset::compile(&twice).err(), Some(CompileError::DuplicateRoom { name: "a".into() }));
}

#[test]
fn a_term_never_shows_in_debug_output() {
    let shown = format!("{:?}", RuleSpec { action: Action::Warn, ..rule("Falcon") });
    assert!(!shown.to_lowercase().contains("falcon"), "{shown}");
}

#[test]
fn letters_spaced_or_dotted_out_match() {
    check(
        "Falcon",
        "⟦F a l c o n⟧ ⟦F.a.l.c.o.n⟧ ⟦f-a-l-c-o-n⟧ ⟦F . a . l . c . o . n⟧ ⟦Fal-con⟧ ⟦Fal.con⟧ ⟦F_a_l_c_o_n⟧",
    );
    check("Project Falcon", "⟦P r o j e c t   F a l c o n⟧ ⟦P.r.o.j.e.c.t. F.a.l.c.o.n⟧");
    check("Falcon", "Fal con fal. con F al co n fa lcon");
    check("Ann", "A n n A.n.n A-n-n");
    check("therapist", "the rapist, the-\u{20}rapist");
}

#[test]
fn markup_inside_a_term_matches() {
    check(
        "Project Falcon",
        "⟦Project Fal**con⟧** **⟦Project** **Falcon⟧** <b>⟦Project</b> <i>Falcon⟧</i> ⟦Project `Falcon⟧`",
    );
    check("Falcon", "⟦F<span class=\"x y\">alcon⟧</span> ⟦Fal<wbr>con⟧ **⟦F**alcon⟧ ~~⟦Fal~~con⟧");
    check("Project Falcon", "Project ** Falcon, Project <- Falcon");
}

#[test]
fn a_word_broken_over_lines_matches() {
    check("Falcon", "⟦Fal-\ncon⟧ ⟦Fal-\r\n   con⟧ ⟦Fal-\n> con⟧ Fal- con");
}

#[test]
fn joined_words_match() {
    check(
        "Project Falcon",
        "⟦ProjectFalcon⟧ ⟦projectfalcon⟧ ⟦project_falcon⟧ ⟦PROJECT_FALCON⟧ ⟦project-falcon⟧ ⟦Project/Falcon⟧ ⟦project.falcon⟧",
    );
    check("Falcon", "get⟦Falcon⟧Id my⟦Falcon⟧ HTTP⟦Falcon⟧ ⟦falcon⟧Name ⟦FALCONS⟧");
    check("Falcon", "getfalconid Falconry superFalconry");
    check("Project Falcon", "get⟦ProjectFalcon⟧Id");
    check("Blue Project Falcon", "⟦BlueProjectFalcon⟧ my⟦BlueProjectFalcon⟧Id ⟦blue_project_falcon⟧");
    check("Coca-Cola", "⟦Coca Cola⟧ ⟦CocaCola⟧ ⟦coca_cola⟧ ⟦Coca-Cola⟧");
    check("project falcon", "The project. Falcon flew: project, Falcon");
    check("Ann", "getAnnId annId");
    let off = RuleSpec { evasions: Evasions::ALL.without(Evasion::Joined), ..rule("Project Falcon") };
    assert_eq!(scan_rules(vec![off], "ProjectFalcon"), []);
}

#[test]
fn escaped_characters_match() {
    check(
        "Falcon",
        "⟦F&#97;lcon⟧ ⟦&#70;alcon⟧ ⟦F&#x61;lcon⟧ ⟦F%61lcon⟧ ⟦%46%61%6C%63%6F%6E⟧ ⟦F\\u0061lcon⟧ ⟦\\x46alcon⟧ ⟦\\u{46}alcon⟧",
    );
    check("Project Falcon", "⟦Project%20Falcon⟧ ⟦Project&nbsp;Falcon⟧ ⟦Project+Falcon⟧ ⟦Project&#32;Falcon⟧");
    check("Café Müller", "⟦Caf&eacute; M&uuml;ller⟧ ⟦Caf%C3%A9%20M%C3%BCller⟧ ⟦Caf\\u00e9 M\\xc3\\xbcller⟧");
    check("вода", "⟦%D0%B2%D0%BE%D0%B4%D0%B0⟧");
    check("Falcon", "x&#70;alcon F&#98;lcon 100% alcon & falco \\n");
}

#[test]
fn digits_and_signs_for_letters_match_in_long_terms() {
    check("Falcon", "⟦F4lc0n⟧ ⟦f@lcon⟧ ⟦FALC0N⟧");
    check("Passport", "⟦Pa$$p0rt⟧ ⟦p455port⟧");
    check("Alice", "4lice Al1ce");
    check("boost go", "80057 60 ⟦8oost g0⟧");
}

#[test]
fn encoded_terms_match() {
    let found = |text: &str| -> Vec<_> {
        let violations = scan_rules(vec![rule("Project Falcon"), rule("Ann")], text);
        violations.into_iter().map(|v| (text[v.span].to_owned(), v.evasion.unwrap())).collect()
    };
    let base64 = |text: &str| vec![(text.to_owned(), Evasion::Base64)];
    assert_eq!(found("see UHJvamVjdCBGYWxjb24= there"), base64("UHJvamVjdCBGYWxjb24"));
    assert_eq!(found("VGhlIHByb2plY3QgZmFsY29uIGZsaWVz"), base64("Byb2plY3QgZmFsY29u"));
    assert_eq!(
        found("50726f6a6563742046616c636f6e"),
        [("50726f6a6563742046616c636f6e".to_owned(), Evasion::Hex)]
    );
    assert_eq!(found("QW5uIEFubiBBbm4 QW5uYSBpcyBoZXJl"), [], "three letters are too short");
    assert_eq!(found("UHJvamVjdCBGYWxjb25lcg=="), [], "falconer");
    let off = RuleSpec { evasions: Evasions::ALL.without(Evasion::Base64), ..rule("Project Falcon") };
    assert_eq!(scan_rules(vec![off], "UHJvamVjdCBGYWxjb24="), []);
    for offset in 0..140 {
        let text = format!(
            "{}UHJvamVjdCBGYWxjb24= {}",
            "ab ".repeat(offset)[..offset].to_owned() + " ",
            "x ".repeat(40)
        );
        assert_eq!(found(&text).len(), 1, "at {offset}");
    }
}

/// Whether the term is found at all, and by which disguise.
fn evasion_of(text: &str) -> Option<Evasion> {
    scan_rules(vec![rule("Project Falcon")], text).first().and_then(|violation| violation.evasion)
}

const LETTER: &str = "RGVhciBhbGwsIHRoZSBzY2hlZHVsZSBvZiBQcm9qZWN0IEZhbGNvbiB3YXMgbW92ZWQgdG8gdGhlIHRoaXJkIHdlZWsgb2YgTWF5LCBzZWUgYmVsb3cgZm9yIGRldGFpbHMuIFJlZ2FyZHM=";

#[test]
fn an_encoding_that_lost_its_beginning_is_read_all_the_same() {
    for lost in 0..16 {
        assert_eq!(evasion_of(&LETTER[lost..]), Some(Evasion::Base64), "{lost} digits lost");
        assert_eq!(evasion_of(&format!("/a/{}", &LETTER[lost..])), Some(Evasion::Base64), "{lost} in a path");
    }
    assert_eq!(evasion_of("a50726f6a6563742046616c636f6e"), Some(Evasion::Hex));
    assert_eq!(evasion_of("UHJvamVjdCBGYWxjb24gZmxpZXM_Pz8-"), Some(Evasion::Base64), "the other alphabet");
}

#[test]
fn an_encoding_that_is_broken_over_lines_is_one() {
    for (width, line_end) in [(76, "\r\n"), (64, "\n"), (20, "\n    "), (12, "\n")] {
        let lines: Vec<&str> =
            (0..LETTER.len()).step_by(width).map(|at| &LETTER[at..(at + width).min(LETTER.len())]).collect();
        let text = format!("-----BEGIN LETTER-----\n{}\n-----END LETTER-----", lines.join(line_end));
        assert_eq!(evasion_of(&text), Some(Evasion::Base64), "lines of {width}");
    }
    let mut two = LETTER.to_owned();
    two.insert_str(40, "\n\nText between.\n\n");
    assert_eq!(evasion_of(&two), None, "other text ends it");
}

#[test]
fn an_encoding_inside_another_one_is_taken_apart() {
    for (text, outer) in [
        ("VUhKdmFtVmpkQ0JHWVd4amIyND0=", Evasion::Base64),
        ("UHJvamVjdCUyMEYlNjFsY29u", Evasion::Base64),
        ("55484a76616d566a644342475957786a6232343d", Evasion::Hex),
        ("NTA3MjZmNmE2NTYzNzQyMDQ2NjE2YzYzNmY2ZQ==", Evasion::Base64),
        ("UHJvamVjdCBcdTAwNDZhbGNvbg==", Evasion::Base64),
        ("JTUwcm9qZWN0IEZhbGNvbg==", Evasion::Base64),
        ("WVdFZ1VISnZhbVZqZENCR1lXeGpiMjRnWW1JPQ==", Evasion::Base64),
        (
            "UkdWaGNpQmhiR3dzSUhSb1pTQnpZMmhsWkhWc1pTQnZaaUJRY205cVpXTjBJRVpoYkdOdmJpQjNZWE1nYlc5MlpXUWdkRzhnZEdobElIUm9hWEprSUhkbFpXc2diMllnVFdGNUxDQnpaV1VnWW1Wc2IzY2dabTl5SUdSbGRHRnBiSE11SUZKbFoyRnlaSE09",
            Evasion::Base64,
        ),
    ] {
        assert_eq!(evasion_of(text), Some(outer), "{text}");
    }
    assert_eq!(evasion_of("VlVoS2RtRnRWbXBrUTBKSFdWZDRhbUl5TkQwPQ=="), None, "three deep is not read");
    check("Falcon", "⟦%2546alcon⟧ ⟦F%2561lcon⟧ ⟦&amp;#70;alcon⟧ ⟦F\\\\\\\\u0061lcon⟧ ⟦\\x5cu0046alcon⟧");
    assert!(!scan_rules(vec![rule("Falcon")], "\\\\u0046alcon").is_empty());
    check("Falcon", "%252546 %25 &amp; \\\\ %2546");
}

#[test]
fn a_person_is_found_with_the_last_name_first() {
    let person = RuleSpec { person: true, ..rule("Ann Marie Lee") };
    let found = scan_rules(
        vec![person.clone()],
        "Lee, Ann Marie; LEE ANN MARIE; ann marie lee; Lee, Ann; LeeAnnMarie",
    );
    let evasions: Vec<_> = found.iter().map(|violation| violation.evasion).collect();
    assert_eq!(evasions, [Some(Evasion::NameOrder), Some(Evasion::NameOrder), None]);
    assert_eq!(
        scan_rules(vec![rule("Ann Marie Lee")], "Lee, Ann Marie").len(),
        0,
        "only where it is a person"
    );
    let off = RuleSpec { evasions: Evasions::ALL.without(Evasion::NameOrder), ..person };
    assert_eq!(scan_rules(vec![off], "Lee, Ann Marie").len(), 0);
}

#[test]
fn letters_as_tags_flags_and_negative_signs_match_in_terms_of_four_letters() {
    check("Falcon", "⟦🇫🇦🇱🇨🇴🇳⟧ ⟦🅵🅰🅻🅲🅾🅽⟧ ⟦🅕🅐🅛🅒🅞🅝⟧");
    let tags: String = "falcon".chars().filter_map(|c| char::from_u32(0xE0000 + c as u32)).collect();
    check("Falcon", &format!("x ⟦{tags}⟧ y"));
    check("Ann", "🅰🅽🅽");
}

#[test]
fn every_disguise_has_a_name_a_least_length_and_a_switch() {
    let term = "Project Falcon";
    for (evasion, text) in [
        (Evasion::Confusables, "Prоject Fаlcon"),
        (Evasion::Symbols, "🅿🆁🅾🅹🅴🅲🆃 🅵🅰🅻🅲🅾🅽"),
        (Evasion::Leetspeak, "Pr0ject F4lcon"),
        (Evasion::Separated, "P.r.o.j.e.c.t F.a.l.c.o.n"),
        (Evasion::Markup, "Pro**ject** Falcon"),
        (Evasion::Hyphenation, "Pro-\nject Falcon"),
        (Evasion::Joined, "ProjectFalcon"),
        (Evasion::Entities, "Project F&#97;lcon"),
        (Evasion::Percent, "Project%20Falcon"),
        (Evasion::Escapes, "Project \\u0046alcon"),
        (Evasion::Base64, "UHJvamVjdCBGYWxjb24="),
        (Evasion::Hex, "50726f6a6563742046616c636f6e"),
    ] {
        assert_eq!(evasion_of(text), Some(evasion), "{text}");
        let off = RuleSpec { evasions: Evasions::ALL.without(evasion), ..rule(term) };
        assert_eq!(scan_rules(vec![off], text), [], "{evasion} off");
        assert!((1..=6).contains(&evasion.min_term_letters()));
    }
}
