//! What a process did to its files and told its callers, in order, as `strace` saw it.

use std::{collections::HashMap, error::Error, path::Path};

/// The options that write what [`read`] understands.
pub(crate) const OPTIONS: [&str; 7] = [
    "-f",
    "-qq",
    "-y",
    "-xx",
    "-s",
    "16777216",
    "--trace=pwrite64,write,writev,sendto,ftruncate,unlink,fsync,fdatasync",
];

/// One step.
pub(crate) enum Event {
    /// Bytes went to a file; the disk may have them or not.
    Written { file: String, offset: usize, bytes: Vec<u8> },
    /// A file was cut.
    Cut { file: String, length: usize },
    /// A file is no more.
    Removed { file: String },
    /// The disk has all that was done to the file before.
    Synced { file: String },
    /// Bytes were about to leave for a caller.
    Told { bytes: Vec<u8> },
}

/// Reads a trace; the lines of threads are mixed, and a call that another one interrupts has two lines.
pub(crate) fn read(path: &Path) -> Result<Vec<Event>, Box<dyn Error>> {
    let mut events = Vec::new();
    // The file whose synchronisation a thread waits for.
    let mut syncing: HashMap<String, String> = HashMap::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let (thread, call) = line.trim_start().split_once(' ').ok_or("a line without a thread")?;
        let call = call.trim_start();
        if let Some(rest) = call.strip_prefix("<... ") {
            if let (true, Some(file)) = (rest.ends_with("= 0"), syncing.remove(thread)) {
                events.push(Event::Synced { file });
            }
            continue;
        }
        let Some((name, arguments)) = call.split_once('(') else { continue };
        if name == "unlink" {
            events.push(Event::Removed { file: String::from_utf8(texts(arguments)?.0)? });
            continue;
        }
        let file = arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        let Some((file, rest)) = file else { continue };
        let file = String::from_utf8(unescaped(file)?)?;
        match name {
            "fsync" | "fdatasync" => {
                if rest.ends_with("= 0") {
                    events.push(Event::Synced { file });
                } else {
                    syncing.insert(thread.to_owned(), file);
                }
            }
            "ftruncate" => {
                let length = *numbers(rest).first().ok_or("a cut without a length")?;
                events.push(Event::Cut { file, length });
            }
            "pwrite64" => {
                let (bytes, rest) = texts(rest)?;
                let offset = *numbers(rest).get(1).ok_or("a write without a place")?;
                events.push(Event::Written { file, offset, bytes });
            }
            _ if file.starts_with("socket:") || file.starts_with("TCP") => {
                events.push(Event::Told { bytes: texts(rest)?.0 });
            }
            _ => {}
        }
    }
    Ok(events)
}

/// The bytes of a text of which each is written as `\\x` and two digits.
fn unescaped(text: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
    text.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16)).collect()
}

/// The numbers of a text, in order.
fn numbers(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

/// The bytes of all texts in quotation marks, and what comes after the last of them.
fn texts(mut rest: &str) -> Result<(Vec<u8>, &str), Box<dyn Error>> {
    let mut bytes = Vec::new();
    while let Some((_, text)) = rest.split_once('"') {
        let (text, after) = text.split_once('"').ok_or("a text without an end")?;
        if after.starts_with("...") {
            return Err("a text is cut short".into());
        }
        bytes.extend(unescaped(text)?);
        rest = after;
    }
    Ok((bytes, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_calls_whole_and_in_two_lines() {
        let escaped = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let (store, wal, socket, pipe) =
            (escaped("/d/s"), escaped("/d/s-wal"), escaped("socket:[1]"), escaped("pipe:[2]"));
        let text = format!(
            "7 pwrite64(3<{wal}>, \"\\x00\\x01\", 2, 32) = 2\n\
             8 fsync(4<{store}> <unfinished ...>\n\
             7 ftruncate(3<{wal}>, 9) = 0\n\
             8 <... fsync resumed>) = 0\n\
             7 writev(5<{socket}>, [{{iov_base=\"\\x41\", iov_len=1}}, {{iov_base=\"\\x42\", iov_len=1}}], 2) = 2\n\
             7 write(6<{pipe}>, \"\\x43\", 1) = 1\n"
        );
        let path = std::env::temp_dir().join(format!("endurance-trace-{}", std::process::id()));
        std::fs::write(&path, &text).expect("written");
        let events = read(&path).expect("understood");
        let _ = std::fs::remove_file(path);
        let [
            Event::Written { file, offset: 32, bytes },
            Event::Cut { length: 9, .. },
            Event::Synced { file: synced },
            Event::Told { bytes: told },
        ] = &events[..]
        else {
            panic!("{} events", events.len())
        };
        assert_eq!(
            (&file[..], &bytes[..], &synced[..], &told[..]),
            ("/d/s-wal", &[0, 1][..], "/d/s", &b"AB"[..])
        );
    }
}
