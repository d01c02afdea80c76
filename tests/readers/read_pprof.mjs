// Decodes pprof profiles with pprof-format, and prints them as JSON, their strings and places looked up.
//
// usage: node read_pprof.mjs MODULES FILE...
//
// MODULES: the folder node_modules with pprof-format. A frame is [function, file, line, first line of the function, mapping].
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gunzipSync } from "node:zlib";

const [modules, ...files] = process.argv.slice(2);
const { Profile } = createRequire(modules + "/")("pprof-format");

function contents(profile) {
  const text = (index) => profile.stringTable.strings[Number(index)];
  const type = (value) => [text(value.type), text(value.unit)];
  const by_id = (rows) => new Map(rows.map((row) => [Number(row.id), row]));
  const functions = by_id(profile.function);
  const locations = by_id(profile.location);
  const frames = (id) => {
    const location = locations.get(Number(id));
    return location.line.map((line) => {
      const { name, filename, startLine } = functions.get(Number(line.functionId));
      return [text(name), text(filename), Number(line.line), Number(startLine), Number(location.mappingId)];
    });
  };
  const label = ({ key, str, num, numUnit }) => [text(key), Number(str) ? text(str) : [Number(num), text(numUnit)]];
  return {
    types: profile.sampleType.map(type),
    default_type: text(profile.defaultSampleType),
    period_type: type(profile.periodType),
    period: Number(profile.period),
    comments: profile.comment.map(text),
    mappings: profile.mapping.map((mapping) => ({
      id: Number(mapping.id),
      filename: text(mapping.filename),
      has: [mapping.hasFunctions, mapping.hasFilenames, mapping.hasLineNumbers, mapping.hasInlineFrames],
    })),
    time_nanos: String(profile.timeNanos),
    samples: profile.sample.map((sample) => ({
      stack: sample.locationId.flatMap(frames),
      values: sample.value.map(Number),
      labels: sample.label.map(label),
    })),
  };
}

console.log(JSON.stringify(files.map((file) => contents(Profile.decode(gunzipSync(readFileSync(file)))))));
