//! What a verb says on stdout: lines and tables for people, or JSON lines for programs.
//!
//! Explanations for people go to stderr, and only where stderr is a terminal, so that what a script captures is what
//! it asked for. A closed pipe ends the verb quietly.

use std::io::{IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::{Failure, Kind, plain};
use crate::printable::printable;

/// Where a verb's results go, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Text.
    Text,
    /// JSON lines.
    Json,
}

impl Output {
    pub(crate) fn is_json(self) -> bool {
        self == Self::Json
    }

    /// One result: the object, or its line for people.
    pub(crate) fn say(self, object: &impl Serialize, line: impl FnOnce() -> String) -> Result<(), Failure> {
        match self {
            Self::Text => text(&line()),
            Self::Json => json(object),
        }
    }

    /// A list: an object a line, or a table; `nothing` where it is empty and people read it.
    pub(crate) fn list<T: Serialize + Row>(self, rows: &[T], nothing: &str) -> Result<(), Failure> {
        match self {
            Self::Json => rows.iter().try_for_each(json),
            Self::Text if rows.is_empty() => {
                note(nothing);
                Ok(())
            }
            Self::Text => text(&table(T::HEADINGS, rows.iter().map(Row::cells))),
        }
    }
}

/// A JSON object on a line of its own.
pub(crate) fn json(object: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(object).map_err(|error| Failure::failed(error.to_string()))?;
    line.push(b'\n');
    write(&line)
}

/// Lines for people; whatever a peer put into them is stripped of control characters.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut out = String::with_capacity(text.len() + 1);
    for line in text.split('\n') {
        out.push_str(&printable(line));
        out.push('\n');
    }
    write(out.as_bytes())
}

/// Something that is a line in a table.
pub(crate) trait Row {
    /// The headings of the columns. One that begins with `>` has its column aligned to the right.
    const HEADINGS: &'static [&'static str];

    /// A cell for each heading.
    fn cells(&self) -> Vec<String>;
}

/// A table without lines, as wide as the terminal.
pub(crate) fn table(headings: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for (index, heading) in headings.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// An explanation for whoever sits at the terminal.
pub(crate) fn note(text: &str) {
    if std::io::stderr().is_terminal() {
        tell(text);
    }
}

/// A line on stderr that matters to scripts' logs too.
pub(crate) fn tell(text: &str) {
    let mut line: String = text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
    line.push('\n');
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Raw octets to stdout.
pub(crate) fn write(octets: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(octets).and_then(|()| stdout.flush()).map_err(|error| stdout_failure(&error))
}

/// What a failed write to stdout means.
pub(crate) fn stdout_failure(error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        Failure::new(Kind::OutputClosed, "the output was closed")
    } else {
        Failure::failed(format!("cannot write to the standard output: {}", plain(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_strip_what_peers_wrote() {
        let rows = [vec!["a\u{1b}[2Jb".to_owned(), "1".to_owned()], vec!["c".to_owned(), "1000".to_owned()]];
        let text = table(&["NAME", ">SIZE"], rows.into_iter());
        assert_eq!(text, "NAME   SIZE\na[2Jb     1\nc      1000");
    }
}
