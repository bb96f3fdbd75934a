// SPDX-License-Identifier: Apache-2.0
// A network that a test can cut: what connects to a relay reaches another port of this machine, until it is cut.
import { connect, createServer } from 'node:net';
import { once } from 'node:events';

export class Relay {
  constructor(target) {
    this.target = target;
    this.pairs = new Set();
    this.isCut = false;
    this.server = createServer({ pauseOnConnect: true }, (near) => this.take(near));
  }

  /** A relay to a port, listening. */
  static async to(target) {
    const relay = new Relay(target);
    relay.server.listen(0, '127.0.0.1');
    await once(relay.server, 'listening');
    // A test that forgets it can end all the same.
    relay.server.unref();
    return relay;
  }

  get port() {
    return this.server.address().port;
  }

  take(near) {
    const pair = { near, far: null };
    this.pairs.add(pair);
    const end = () => {
      near.destroy();
      pair.far?.destroy();
      this.pairs.delete(pair);
    };
    pair.end = end;
    near.on('error', end).on('close', end);
    // As in a network whose cable is pulled: a connection is neither made nor refused.
    if (!this.isCut) this.join(pair);
  }

  join(pair) {
    pair.far = connect(this.target, '127.0.0.1');
    pair.far.on('error', pair.end).on('close', pair.end);
    pair.near.pipe(pair.far).pipe(pair.near);
  }

  /** Nothing goes through any more, and nobody is told. */
  cut() {
    this.isCut = true;
    for (const { near, far } of this.pairs) {
      near.unpipe();
      far?.unpipe();
      near.pause();
      far?.pause();
    }
  }

  /** Everything goes through again; connections of before go on where they were. */
  heal() {
    this.isCut = false;
    for (const pair of this.pairs) {
      if (pair.far) pair.near.pipe(pair.far).pipe(pair.near);
      else this.join(pair);
    }
  }

  close() {
    this.server.close();
    for (const { end } of this.pairs) end();
  }
}
