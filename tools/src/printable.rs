//! What somebody else wrote, made safe to show: the one place where foreign text meets a terminal.
//!
//! EIDs, file names, labels and reasons come from other machines. A control character in them could move the cursor,
//! change colours or hide what follows; a bidirectional override can make `exe.txt` look like `txt.exe`.

/// The text without control characters and without marks that change how what follows is shown.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|&c| !is_deceptive(c)).collect()
}

/// Whether a character shows nothing itself and changes what others look like.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}'     // zero-width and direction marks
            | '\u{2028}'..='\u{202e}'   // line and paragraph separators, embeddings, overrides
            | '\u{2060}'..='\u{206f}'   // invisible operators, isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_teeth() {
        assert_eq!(printable("a\u{1b}[31mb\u{7}\r\nc\u{9b}2J"), "a[31mbc2J");
    }

    #[test]
    fn text_in_any_script_stays() {
        for text in ["Größe.pdf", "отчёт", "診療所", "تقرير", "a b"] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn overrides_of_direction_go() {
        assert_eq!(printable("txt.\u{202e}exe\u{2066}\u{feff}"), "txt.exe");
    }
}
