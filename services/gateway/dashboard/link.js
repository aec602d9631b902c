// The line to the gateway: REST by fetch, then one WebSocket that comes back by itself.

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 15000, SILENCE_MS = 40000;

export class Refused extends Error {}

export class Link {
  constructor(key, { onMessage, onState, onReady, onRefused }) {
    this.key = key;
    this.on = { message: onMessage, state: onState, ready: onReady, refused: onRefused };
    this.wait = FIRST_WAIT_MS;
    this.socket = null;
  }

  async get(path) {
    const headers = this.key ? { Authorization: `Bearer ${this.key}` } : {};
    const answer = await fetch(path, { headers, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) throw new Refused((await answer.json()).detail);
    const body = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(body.detail), { code: body.code });
    return body;
  }

  open() {
    this.on.state("connecting");
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream`);
    this.socket = socket;
    socket.onopen = () => { if (this.key) this.say({ op: "auth", key: this.key }); this.listen(); };
    socket.onmessage = (event) => {
      this.listen();
      const message = JSON.parse(event.data);
      if (message.type === "ready") { this.wait = FIRST_WAIT_MS; this.on.state("live"); this.on.ready(); }
      else this.on.message(message);
    };
    socket.onclose = (event) => {
      clearTimeout(this.silence);
      this.on.state("offline");
      if (event.code === 4401 || event.code === 4403) { this.on.refused(event.code === 4403 ? "This key was revoked." : "This key opens no stream."); return; }
      setTimeout(() => this.open(), this.wait * (0.5 + Math.random() / 2));
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    };
  }

  say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket?.close(), SILENCE_MS);
  }
}
