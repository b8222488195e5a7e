//! What errors call a setting: by the variable of the environment that set it, where one did, so that whoever reads
//! the error knows where to look. Otherwise by its name, which is its flag and its key in the file.

use std::env;

use clap::{
    Arg, Args, Command,
    error::{ContextKind, ContextValue},
};

use crate::options::Layer;

/// What an error calls a setting.
pub(crate) fn name_of(setting: &str) -> String {
    let settings = Layer::augment_args(Command::new("settings"));
    let argument = settings.get_arguments().find(|argument| argument.get_long() == Some(setting));
    argument.and_then(variable).unwrap_or_else(|| setting.to_owned())
}

/// The same error of a command line, about the variable if that has the wrong value.
pub(crate) fn blamed(mut error: clap::Error, mut command: Command) -> clap::Error {
    command.build();
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return error };
    let mut arguments = command.get_subcommands().flat_map(Command::get_arguments);
    if let Some(variable) = arguments.find(|argument| argument.to_string() == *flag).and_then(variable) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

/// The variable that sets an option, where the command line does not.
fn variable(argument: &Arg) -> Option<String> {
    let (flag, variable) = (format!("--{}", argument.get_long()?), argument.get_env()?);
    let is_flag =
        |word: &str| word.strip_prefix(&flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    let is_given = env::args_os().any(|word| word.to_str().is_some_and(is_flag));
    let is_set = env::var_os(variable).is_some();
    (!is_given && is_set).then(|| variable.to_string_lossy().into_owned())
}
