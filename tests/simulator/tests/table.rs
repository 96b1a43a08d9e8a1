//! What comes of loss and of short contacts is what it was: `tests/table.txt`, figure by figure.

use std::fmt::Write as _;

const REWRITE: &str = "cargo run -p simulator -- --table > tests/simulator/tests/table.txt";

/// Line by line, what was expected and what came.
fn difference(expected: &str, came: &str) -> String {
    let mut text = String::new();
    let lines = expected.lines().count().max(came.lines().count());
    for line in 0..lines {
        let of = |text: &'_ str| text.lines().nth(line).unwrap_or_default().to_owned();
        let (was, is) = (of(expected), of(came));
        if was == is {
            writeln!(text, "  {was}").expect("writing to a string cannot fail");
        } else {
            writeln!(text, "- {was}\n+ {is}").expect("writing to a string cannot fail");
        }
    }
    text
}

#[test]
fn loss_and_short_contacts_cost_what_the_table_says() {
    let came = simulator::table().unwrap_or_else(|failure| panic!("{failure}"));
    let expected = include_str!("table.txt");
    assert!(
        came == expected,
        "the table changed:\n{}\nIf that is wanted: {REWRITE}",
        difference(expected, &came)
    );
}
