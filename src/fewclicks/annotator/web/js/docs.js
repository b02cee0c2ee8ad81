// The page of the API, drawn from /openapi.json. It needs nothing from elsewhere.

/**
 * @typedef {{ $ref?: string, type?: string, const?: unknown, enum?: unknown[], format?: string, contentEncoding?: string,
 *   anyOf?: Schema[], oneOf?: Schema[], items?: Schema, prefixItems?: Schema[], properties?: Record<string, Schema>,
 *   required?: string[], default?: unknown, description?: string, minimum?: number, maximum?: number,
 *   exclusiveMinimum?: number, exclusiveMaximum?: number, additionalProperties?: Schema | boolean }} Schema
 * @typedef {{ name: string, in: string, required?: boolean, description?: string, schema: Schema }} Parameter
 * @typedef {{ description?: string, content?: Record<string, { schema: Schema }> }} Answer
 * @typedef {{ operationId: string, description?: string, tags?: string[], parameters?: Parameter[], requestBody?: Answer,
 *   responses: Record<string, Answer> }} Operation
 * @typedef {{ info: { title: string, description: string }, paths: Record<string, Record<string, Operation>>,
 *   components: { schemas: Record<string, Schema> } }} Api
 */

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 */
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The name that a reference ends in. @param {string} ref */
const nameOf = (ref) => ref.slice(ref.lastIndexOf("/") + 1);

/** Text as paragraphs; line breaks within one mean nothing. @param {string} text */
const paragraphs = (text) => text.split("\n\n").map((part) => element("p", {}, part.replaceAll("\n", " ")));

/** A schema in the words of a type: `number | null`, `[x, y][]`. @param {Schema} schema @returns {string} */
function typeOf(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map(typeOf).join(" | ");
  if (schema.prefixItems) return `[${schema.prefixItems.map(typeOf).join(", ")}]`;
  if (schema.type === "array") return `${typeOf(schema.items ?? {})}[]`;
  const format = schema.contentEncoding ?? schema.format;
  return [schema.type ?? "any", format && `(${format})`].filter(Boolean).join(" ");
}

/** The bounds and the default, as far as there are any. @param {Schema} schema */
function boundsOf(schema) {
  const bounds = (schema.anyOf ?? [schema]).flatMap((choice) => [
    choice.minimum !== undefined ? `from ${choice.minimum}` : "",
    choice.exclusiveMinimum !== undefined ? `above ${choice.exclusiveMinimum}` : "",
    choice.maximum !== undefined ? `to ${choice.maximum}` : "",
    choice.exclusiveMaximum !== undefined ? `below ${choice.exclusiveMaximum}` : "",
  ]);
  if ("default" in schema && schema.default !== null) bounds.push(`${JSON.stringify(schema.default)} if left out`);
  return bounds.filter(Boolean).join(", ");
}

/** A row of a table. @param {string} name @param {Schema} schema @param {boolean} required @param {string} text */
function row(name, schema, required, text) {
  const words = [typeOf(schema), boundsOf(schema), required || "default" in schema ? "" : "optional", text].filter(Boolean).join("; ");
  return element("tr", {}, element("td", {}, element("code", {}, name)), element("td", {}, words));
}

/** The fields of what a schema names, each kind under its name. @param {Schema} schema @param {Api} api @returns {Node[]} */
function fields(schema, api) {
  if (schema.anyOf || schema.oneOf) return (schema.anyOf ?? schema.oneOf ?? []).flatMap((choice) => fields(choice, api));
  if (schema.items) return fields(schema.items, api);
  if (!schema.$ref) return [];
  const found = api.components.schemas[nameOf(schema.$ref)];
  if (!found) return [];
  if (!found.properties) return fields(found, api);
  const rows = Object.entries(found.properties).map(([name, field]) =>
    row(name, field, (found.required ?? []).includes(name), field.description ?? ""),
  );
  return [element("h4", {}, nameOf(schema.$ref)), element("table", {}, ...rows)];
}

/** What is sent or given: its type, and its fields. @param {string} title @param {Answer} answer @param {Api} api */
function content(title, answer, api) {
  return Object.entries(answer.content ?? {}).flatMap(([media, { schema }]) => [
    element("h4", {}, `${title}: ${media === "application/json" ? typeOf(schema) : media}`),
    ...fields(schema, api),
  ]);
}

/** @param {string} path @param {string} method @param {Operation} operation @param {Api} api */
function article(path, method, operation, api) {
  const given = Object.entries(operation.responses).filter(([status]) => status.startsWith("2"));
  const failures = Object.keys(operation.responses).filter((status) => /^[45]/.test(status));
  const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in !== "header");
  return element(
    "article",
    { id: operation.operationId },
    element("h3", {}, element("span", { class: "method" }, method.toUpperCase()), path),
    ...paragraphs(operation.description ?? ""),
    ...(parameters.length
      ? [element("table", {}, ...parameters.map((p) => row(p.name, p.schema, !!p.required, p.description ?? "")))]
      : []),
    ...(operation.requestBody ? content("Takes", operation.requestBody, api) : []),
    ...given.flatMap(([status, answer]) =>
      answer.content ? content(`Gives ${status}`, answer, api) : [element("h4", {}, `Gives ${status}: ${answer.description}`)],
    ),
    element("h4", {}, `Errors: ${failures.join(", ")}`),
  );
}

/** @param {Api} api */
function draw(api) {
  /** @type {Map<string, { path: string, method: string, operation: Operation }[]>} */
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), { path, method, operation }]);
    }
  const contents = [...groups].flatMap(([tag, found]) => [
    element("h2", {}, tag),
    element("ul", {}, ...found.map(({ operation: { operationId } }) =>
      element("li", {}, element("a", { href: `#${operationId}` }, operationId.replaceAll("_", " "))))),
  ]);
  document.getElementById("contents")?.replaceChildren(element("a", { href: "../" }, "Annotator"), ...contents);
  const example = `curl ${location.origin}/api/v1/folder`;
  document.getElementById("document")?.replaceChildren(
    element("h1", {}, api.info.title),
    ...paragraphs(api.info.description),
    element("pre", {}, example),
    element("p", {}, "The same as a file: ", element("a", { href: "../openapi.json" }, "openapi.json")),
    ...[...groups].flatMap(([tag, found]) => [
      element("h2", {}, tag),
      ...found.map(({ path, method, operation }) => article(path, method, operation, api)),
    ]),
  );
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

async function main() {
  const place = document.getElementById("document");
  try {
    const answer = await fetch("../openapi.json");
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    draw(await answer.json());
  } catch (error) {
    place?.replaceChildren(element("p", { role: "alert" }, `The description of the API cannot be shown: ${error}`));
  } finally {
    place?.removeAttribute("aria-busy");
  }
}

main();
export {};
