// One library's EventSource, on a stream that is cut before its first event.
//   node sse_client.js LIBRARY URL
// Says "open" once it is, and each message as "ID DATA"; ends with standard input.
const [library, url] = process.argv.slice(2);
const say = (...words) => console.log(words.join(" "));

async function fetchEventSource() {
  globalThis.window = globalThis;
  globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
  const { fetchEventSource } = require("@microsoft/fetch-event-source");
  fetchEventSource(url, {
    onopen: async () => say("open"),
    onmessage: (m) => { if (!m.event) say(m.id, m.data); },
    onclose: () => { throw new Error("it ended"); }, // as its README says for a stream without end
    onerror: () => 50,
  });
}

async function eventsourceClient() {
  const { createEventSource } = await import(require.resolve("eventsource-client"));
  createEventSource({
    url,
    onConnect: () => say("open"),
    onMessage: ({ event, id, data }) => { if (!event) say(id, data); },
  });
}

function standard(make) {
  const source = make();
  source.onopen = () => say("open");
  source.onmessage = (e) => say(e.lastEventId, e.data);
  source.onerror = () => {};
}

const libraries = {
  "@microsoft/fetch-event-source": fetchEventSource,
  "eventsource-client": eventsourceClient,
  "eventsource": () => {
    const { EventSource } = require("eventsource");
    standard(() => new EventSource(url));
  },
  "launchdarkly-eventsource": () => {
    const { EventSource } = require("launchdarkly-eventsource");
    standard(() => new EventSource(url, { initialRetryDelayMillis: 50 }));
  },
  "event-source-polyfill": () => {
    const { EventSourcePolyfill } = require("event-source-polyfill");
    standard(() => new EventSourcePolyfill(url));
  },
};

process.stdin.on("end", () => process.exit(0)).resume();
libraries[library]();
