// Who is signed in with this browser: cookies that no script can read, and the word that goes with every change.

const EARLY_S = 60; // a session is refreshed so long before its ten minutes end

export class Refused extends Error {}

export class Session {
  constructor({ onChange }) {
    this.onChange = onChange;
    this.view = { signed_in: false, anonymous: false, elsewhere: false, csrf: null };
  }

  get open() { return this.view.signed_in || this.view.anonymous; }

  async look() {
    const answer = await fetch("/v1/auth/session", { cache: "no-store" });
    return this.take(await read(answer));
  }

  // A key is exchanged for a session: it is kept nowhere.
  async signIn(who) {
    return this.take(await read(await this.send("/v1/auth/sign-in", who)));
  }

  async signOut() {
    return this.take(await read(await this.send("/v1/auth/sign-out")));
  }

  // Tabs take turns, for a refresh cookie is good once; who comes second finds it done.
  async refresh() {
    const work = async () => {
      const view = await this.look();
      if (!view.signed_in || view.access_s > EARLY_S) return view;
      const answer = await this.send("/v1/auth/refresh");
      return answer.status === 409 ? this.look() : this.take(await read(answer));
    };
    return navigator.locks ? navigator.locks.request("csx.session", work) : work();
  }

  async post(path, body) {
    let answer = await this.send(path, body);
    if ([401, 403].includes(answer.status) && this.view.signed_in) { await this.refresh(); answer = await this.send(path, body); }
    return read(answer);
  }

  send(path, body = {}) {
    const headers = { "Content-Type": "application/json", ...(this.view.csrf ? { "X-CSRF-Token": this.view.csrf } : {}) };
    return fetch(path, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store" });
  }

  take(view) {
    this.view = view;
    clearTimeout(this.timer);
    if (view.signed_in) this.timer = setTimeout(() => this.refresh().catch(() => {}), Math.max(5, view.access_s - EARLY_S) * 1000);
    this.onChange(view);
    return view;
  }
}

export async function read(answer) {
  const body = await answer.json();
  if (answer.status === 401 || answer.status === 403) throw new Refused(body.errors?.[0]?.message ?? body.detail);
  if (!answer.ok) throw Object.assign(new Error(body.detail), { code: body.code });
  return body;
}
