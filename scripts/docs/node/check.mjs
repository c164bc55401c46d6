// Validates docs/reference/asyncapi.json and openapi.json (paths as arguments); prints what is wrong, and exits with 1 for it.
import { readFile } from "node:fs/promises";
import { fromFile, Parser } from "@asyncapi/parser";
import { Validator } from "@seriousme/openapi-schema-validator";

const ERROR = 0;
const [asyncapi, openapi] = process.argv.slice(2);

const { diagnostics } = await fromFile(new Parser(), asyncapi).parse();
const wrong = diagnostics
  .filter((one) => one.severity === ERROR)
  .map((one) => `${asyncapi}: ${one.path.join(".")}: ${one.message}`);

const result = await new Validator().validate(JSON.parse(await readFile(openapi, "utf8")));
if (!result.valid) {
  const errors = Array.isArray(result.errors) ? result.errors : [{ message: result.errors }];
  wrong.push(...errors.map((one) => `${openapi}: ${one.instancePath ?? ""}: ${one.message}`));
}

console.log(wrong.length ? wrong.join("\n") : "both documents are valid");
process.exit(wrong.length ? 1 : 0);
