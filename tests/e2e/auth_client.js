// One library's EventSource that says who it is, and goes on with the next token.
//   node auth_client.js LIBRARY URL TOKEN NEXT
// Says "ID DATA" for each message and "expired POSITION" once that is told; then comes back with
// the token NEXT, and with that position.  Ends with standard input.
const [library, url, ...tokens] = process.argv.slice(2);
const say = (...words) => console.log(words.join(" "));
const bearer = (token) => ({ Authorization: `Bearer ${token}` });

// Each begins a stream; said(event, id, data) for what comes; returns how to end it.
const libraries = {
  "eventsource": (url, token, said) => {
    const { EventSource } = require("eventsource");
    const source = new EventSource(url, { fetch: (to, init) =>
      fetch(to, { ...init, headers: { ...init.headers, ...bearer(token) } }) });
    for (const type of ["message", "sluice.expired"])
      source.addEventListener(type, (e) => said(e.type, e.lastEventId, e.data));
    return () => source.close();
  },
  "event-source-polyfill": (url, token, said) => {
    const { EventSourcePolyfill } = require("event-source-polyfill");
    const source = new EventSourcePolyfill(url, { headers: bearer(token) });
    for (const type of ["message", "sluice.expired"])
      source.addEventListener(type, (e) => said(e.type, e.lastEventId, e.data));
    return () => source.close();
  },
  "eventsource-client": (url, token, said) => {
    const client = import(require.resolve("eventsource-client")).then(({ createEventSource }) =>
      createEventSource({ url, headers: bearer(token),
        onMessage: ({ event, id, data }) => said(event || "message", id, data) }));
    return () => client.then((c) => c.close());
  },
};

function follow(url) {
  const end = libraries[library](url, tokens.shift(), (type, id, data) => {
    if (type == "message")
      return say(id, data);
    if (type != "sluice.expired")
      return; // where the stream stands
    const { position } = JSON.parse(data);
    say("expired", position);
    end();
    if (tokens.length > 0)
      follow(`${url.split("?")[0]}?after=${position}`);
  });
}

process.stdin.on("end", () => process.exit(0)).resume();
follow(url);
