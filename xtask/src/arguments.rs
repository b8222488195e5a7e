//! The words after the verb, taken one by one; what is left at the end is an error.

use crate::error::TaskError;

/// Words of a command line that nobody has asked for yet.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        Self(words.collect())
    }

    /// Takes `--name` out and tells whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// Takes `--name VALUE` or `--name=VALUE` out.
    pub(crate) fn value(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<String>, TaskError> {
        let with_equals = format!("{name}=");
        let Some(at) = self.0.iter().position(|w| w == name || w.starts_with(&with_equals)) else {
            return Ok(None);
        };
        let word = self.0.remove(at);
        if let Some(value) = word.strip_prefix(&with_equals) {
            return Ok(Some(value.to_owned()));
        }
        if at < self.0.len() {
            Ok(Some(self.0.remove(at)))
        } else {
            Err(TaskError::BadValue { option: name, expected })
        }
    }

    /// Takes all words that are no options.
    pub(crate) fn names(&mut self) -> Vec<String> {
        let (options, names) = self.0.drain(..).partition(|word| word.starts_with('-'));
        self.0 = options;
        names
    }

    /// Takes all that is left, for another program.
    pub(crate) fn rest(self) -> Vec<String> {
        self.0
    }

    /// Ends the parsing: whatever nobody took is unknown.
    pub(crate) fn finish(self) -> Result<(), TaskError> {
        match self.0.into_iter().next() {
            Some(argument) => Err(TaskError::UnknownArgument { argument }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use crate::error::TaskError;

    fn arguments(line: &str) -> Arguments {
        Arguments::new(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn value_is_read_in_both_spellings() {
        for line in ["--port 80", "--port=80"] {
            let mut arguments = arguments(line);
            assert_eq!(arguments.value("--port", "a number").ok().flatten().as_deref(), Some("80"));
            assert!(arguments.finish().is_ok());
        }
    }

    #[test]
    fn option_without_value_names_what_it_needs() {
        let error = arguments("--port").value("--port", "a number").err();
        assert!(matches!(error, Some(TaskError::BadValue { option: "--port", .. })));
    }

    #[test]
    fn leftovers_are_refused_by_name() {
        let mut arguments = arguments("--fast wasm --slow");
        assert!(arguments.flag("--fast"));
        assert_eq!(arguments.names(), ["wasm"]);
        let error = arguments.finish().err();
        assert!(matches!(error, Some(TaskError::UnknownArgument { argument }) if argument == "--slow"));
    }
}
