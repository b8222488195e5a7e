//! Generates the JavaScript and TypeScript bindings of a compiled WebAssembly module.
//!
//! Same output as `wasm-bindgen --target web`, from the library behind that command, so that `Cargo.lock`
//! pins the generator and nothing has to be installed by hand. A package of its own because its dependencies
//! take minutes to build and only `cargo xtask wasm` needs them.

use std::path::PathBuf;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(out_dir), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: wasm-bindings <module.wasm> <output directory>");
        return ExitCode::from(2);
    };
    let generated = Bindgen::new()
        .input_path(module)
        .typescript(true)
        // The package says itself where its modules are: there are two of them.
        .omit_default_module_path(true)
        .web(true)
        .and_then(|bindgen| bindgen.generate(out_dir));
    match generated {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}
