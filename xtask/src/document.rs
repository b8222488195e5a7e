//! The parts of documents that tasks write.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::TaskError;
use crate::process;

const END: &str = "<!-- End of what it writes. -->";

/// Puts a text in the place of the last one that this verb wrote into a document.
pub(crate) fn rewrite(path: &Path, verb: &str, text: &str) -> Result<(), TaskError> {
    let failed = |source| TaskError::File { path: path.to_owned(), source };
    let document = fs::read_to_string(path).map_err(failed)?;
    let rewritten = replace(&document, verb, text).ok_or_else(|| TaskError::Missing {
        what: format!("The place of the table in {}", path.display()),
        hint: "It is between the lines `<!-- Written by … -->` and `<!-- End of … -->`.".to_owned(),
    })?;
    fs::write(path, rewritten).map_err(failed)
}

/// Nothing if there is no place.
fn replace(document: &str, verb: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- Written by `cargo xtask {verb}`. -->\n");
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}{text}{END}{after}"))
}

/// Names the processor.
pub(crate) fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let on_linux = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    match on_linux {
        Some((_, name)) => name.to_owned(),
        None => process::capture(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]))
            .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{END, replace};

    #[test]
    fn the_text_replaces_the_last_one() {
        let begin = "<!-- Written by `cargo xtask bench`. -->\n";
        let document = format!("before\n{begin}old\n{END}\nafter\n");
        assert_eq!(replace(&document, "bench", "new\n"), Some(format!("before\n{begin}new\n{END}\nafter\n")));
        assert_eq!(replace(&document, "load", "new\n"), None);
    }
}
