// Decodes an OTLP/JSON file by the published proto's generated types and prints it again as JSON, as they understand it. Arguments: the
// folder whose node_modules has @opentelemetry/otlp-transformer, and the file. Fails where a field is of the wrong type or unknown.
//
// The mapping to JSON is the proto's but for ids, which are hex (the OTLP specification, "JSON Protobuf Encoding").
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, file] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const root = require(`${folder}/node_modules/@opentelemetry/otlp-transformer/build/src/generated/root.js`);
const { ExportTraceServiceRequest } = root.opentelemetry.proto.collector.trace.v1;

const ids = ["traceId", "spanId", "parentSpanId"];
const json = JSON.parse(readFileSync(file, "utf8"), (key, value) => (ids.includes(key) ? Buffer.from(value, "hex") : value));
const read = ExportTraceServiceRequest.decode(ExportTraceServiceRequest.encode(ExportTraceServiceRequest.fromObject(json)).finish());
const back = ExportTraceServiceRequest.toObject(read, { longs: String, bytes: Buffer, enums: Number });

// What the types do not know they leave out.
const missing = [];
const compare = (wrote, got, path) => {
  if (Buffer.isBuffer(wrote) || typeof wrote !== "object") return String(wrote) === String(got) || missing.push(path);
  for (const key of Object.keys(wrote)) {
    if (got?.[key] === undefined) missing.push(`${path}.${key}`);
    else compare(wrote[key], got[key], `${path}.${key}`);
  }
};
compare(json, back, "");
if (missing.length) throw new Error(`lost: ${missing.join(" ")}`);
process.stdout.write(JSON.stringify(back, (_, value) => (value?.type === "Buffer" ? Buffer.from(value.data).toString("hex") : value)));
