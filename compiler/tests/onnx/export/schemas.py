"""Writes the names of all operators that ONNX has or had, of its two domains."""

import pathlib

import onnx.defs

schemas = onnx.defs.get_all_schemas_with_history()
names = {schema.name for schema in schemas if schema.domain in ("", "ai.onnx.ml")}
(pathlib.Path(__file__).parent.parent / "schemas.txt").write_text("\n".join(sorted(names)) + "\n")
