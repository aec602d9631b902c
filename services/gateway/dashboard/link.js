// The line to the gateway: REST by fetch, then one WebSocket that comes back by itself.

import { read, Refused } from "/session.js";

const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 15000, SILENCE_MS = 40000;

export class Link {
  constructor(session, { onMessage, onState, onReady, onRefused }) {
    this.session = session;
    this.on = { message: onMessage, state: onState, ready: onReady, refused: onRefused };
    this.wait = FIRST_WAIT_MS;
    this.socket = null;
  }

  async get(path) {
    let answer = await fetch(path, { cache: "no-store" });
    if (answer.status === 401 && this.session.view.signed_in && (await this.session.refresh()).signed_in) answer = await fetch(path, { cache: "no-store" });
    return read(answer);
  }

  async open() {
    this.on.state("connecting");
    let ticket;
    try {
      ticket = this.session.view.signed_in ? `?ticket=${(await this.session.post("/v1/stream/tickets")).ticket}` : "";
    } catch (error) {
      if (error instanceof Refused) this.on.refused(error.message);
      else this.again();
      return;
    }
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream${ticket}`);
    this.socket = socket;
    socket.onopen = () => this.listen();
    socket.onmessage = (event) => {
      this.listen();
      const message = JSON.parse(event.data);
      if (message.type === "ready") { this.wait = FIRST_WAIT_MS; this.on.state("live"); this.on.ready(); }
      else if (message.type === "reauth_required") this.renew();
      else this.on.message(message);
    };
    socket.onclose = (event) => {
      clearTimeout(this.silence);
      this.on.state("offline");
      if (event.code === 4401 || event.code === 4403) this.session.look().then((view) => { if (view.signed_in || view.anonymous) this.again(); else this.on.refused("The session has ended: sign in again."); }, () => this.again());
      else this.again();
    };
  }

  async renew() {
    try {
      await this.session.refresh();
      this.say({ op: "auth", ticket: (await this.session.post("/v1/stream/tickets")).ticket });
    } catch {
      // the stream ends with the session, and what comes then is asked again
    }
  }

  again() {
    this.on.state("offline");
    setTimeout(() => this.open(), this.wait * (0.5 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }

  say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket?.close(), SILENCE_MS);
  }
}
