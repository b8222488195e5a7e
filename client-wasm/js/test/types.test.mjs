// The types of what a server says, against the schemas that say it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import ts from "typescript";

const ROOT = new URL("../../../", import.meta.url);
const TYPES = fileURLToPath(new URL("../src/types.ts", import.meta.url));

const program = ts.createProgram([TYPES], { strict: true, target: ts.ScriptTarget.ES2022 });
const checker = program.getTypeChecker();

/** The names of a type's members and of theirs; `?` behind one that may be absent. */
function ofType(type, path = "") {
  const element = checker.isArrayType(type) ? checker.getTypeArguments(type)[0] : type.getNonNullableType();
  if (checker.isTupleType(element) || !(element.flags & ts.TypeFlags.Object)) return [];
  if (checker.isArrayType(element)) return ofType(element, path);
  return element.getProperties().flatMap((member) => {
    const isOptional = (member.flags & ts.SymbolFlags.Optional) !== 0;
    const name = `${path}${member.name}`;
    return [name + (isOptional ? "?" : ""), ...ofType(checker.getTypeOfSymbol(member), `${name}.`)];
  });
}

const interfaceOf = (name) => {
  const declaration = program.getSourceFile(TYPES).statements.find((statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name);
  return ofType(checker.getTypeAtLocation(declaration));
};

const common = JSON.parse(await readFile(new URL("schemas/common.schema.json", ROOT), "utf8")).$defs;

/** The same of a schema. */
function ofSchema({ $ref, ...schema }, path = "") {
  if ($ref) return ofSchema(common[$ref.split("/").pop()], path);
  if (schema.items) return ofSchema(schema.items, path);
  const some = [schema, ...(schema.oneOf ?? schema.anyOf ?? [])];
  return some.flatMap(({ properties = {}, required = [] }) =>
    Object.entries(properties).flatMap(([name, inner]) => [path + name + (required.includes(name) ? "" : "?"), ...ofSchema(inner, `${path}${name}.`)]),
  );
}

const schema = async (file) => JSON.parse(await readFile(new URL(`schemas/${file}`, ROOT), "utf8"));

test("a model has the members of its schema", async () => {
  const found = interfaceOf("ModelInfo").sort();
  assert.ok(found.includes("input.layout.axes.stride") && found.includes("output.gain?"), found.join(" "));
  assert.deepEqual(found, ofSchema(await schema("model.schema.json")).sort());
});

test("a parameter set has the members of its schema", async () => {
  const { properties } = await schema("parameter-sets.schema.json");
  assert.deepEqual(interfaceOf("ParameterSet").sort(), ofSchema(properties.parameter_sets).sort());
});
