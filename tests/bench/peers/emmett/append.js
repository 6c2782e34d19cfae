// One-event appends to new streams: node append.js <postgres url> <callers> <warm-up seconds> <seconds> <text>
// Prints {"value": appends a second, "p50_ms": …, "p99_ms": …}.
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';

const [url, callers, warmSeconds, seconds, text] = process.argv.slice(2);
const store = getPostgreSQLEventStore(url);
await store.schema.migrate();

const opens = performance.now() + 1000 * Number(warmSeconds);
const closes = opens + 1000 * Number(seconds);
const latencies = [];

const caller = async () => {
  for (;;) {
    const note = randomUUID();
    const began = performance.now();
    await store.appendToStream(`note-${note}`, [
      { type: 'NoteTaken', data: { note_id: note, space_id: note, speaker: 'Speaker 1', text } },
    ]);
    const now = performance.now();
    if (now >= opens && now < closes) latencies.push(now - began);
    if (now >= closes) return;
  }
};

await Promise.all(Array.from({ length: Number(callers) }, caller));
await store.close();
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
console.log(JSON.stringify({ value: latencies.length / Number(seconds), p50_ms: at(0.5), p99_ms: at(0.99) }));
