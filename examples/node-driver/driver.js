"use strict";
// The official Node client as a program of the client protocol (docs/client-protocol.md).
//
// The package has TypeScript around a native module. The program calls the native module, which is
// all that the TypeScript does. The client has neither options nor outcomes of single records: a
// flush that succeeds is its only promise, so the program waits for a record with a flush.

const { createInterface } = require("node:readline");

const platform = process.platform === "darwin" ? "darwin" : "linux";
const native = require(`@fluvio/client/dist/${platform}/index.node`);

// The client has these values and cannot be told others.
const NOT_APPLICABLE = {
  delivery_semantic: "at-least-once",
  retry: {}, // the default policy of a scenario is that of Fluvio
  batch_size: 16384,
  max_request_size: 1048576,
  batch_queue_size: 100,
  linger: "100ms",
  compression: "none",
  isolation: "read-uncommitted",
  timeout: "1500ms",
  attempt_timeout: `${process.env.FLV_SOCKET_WAIT ?? "60"}s`,
  response_timeout: "10s",
  "records without a key": "the program sends an empty key, so that all go to one partition",
  offsets: "a record has no outcome of its own; the program flushes to wait for it",
  close: "a producer is not closed",
  consume: "the program has no question to consume",
};

let client;
const producers = new Map(); // by the number that the harness gave each
const records = new Map(); // by id, the number of the producer and how the flush behind it ended

async function flush(number) {
  const open = [...records.values()].filter(
    (record) => record.producer === number && record.outcome === undefined,
  );
  let outcome = {};
  try {
    await producers.get(number).flush();
  } catch (error) {
    outcome = { error: String(error) };
  }
  for (const record of open) record.outcome = outcome;
  return outcome;
}

// An empty buffer crashes the native module; an empty text does not.
const bytes = (text) => (text ? Buffer.from(text, "base64") : "");
const pair = ({ key, value }) => [bytes(key), bytes(value)];

const ANSWERS = {
  async connect({ address }) {
    client = await native.connect(address);
  },
  async producer({ topic, producer: number = 0 }) {
    producers.set(number, await client.topicProducer(topic));
    return { not_applicable: NOT_APPLICABLE };
  },
  async send({ producer: number = 0, ...record }) {
    await producers.get(number).send(...pair(record));
    records.set(record.id, { producer: number });
  },
  async send_all({ producer: number = 0, records: all }) {
    await producers.get(number).sendAll(all.map(pair));
    for (const { id } of all) records.set(id, { producer: number });
  },
  async flush({ producer: number = 0 }) {
    return flush(number);
  },
  async wait({ id }) {
    const record = records.get(id);
    if (record.outcome === undefined) await flush(record.producer);
    return record.outcome;
  },
  async close({ producer: number = 0 }) {
    return flush(number);
  },
};

async function answer({ op, n, ...question }) {
  try {
    const { error, ...rest } = (await ANSWERS[op](question)) ?? {};
    return error === undefined ? { n, ok: true, ...rest } : { n, error };
  } catch (error) {
    return { n, error: String(error) };
  }
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
  process.exit(0); // the client's connections keep the program alive
}

main();
