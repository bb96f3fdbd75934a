// SPDX-License-Identifier: Apache-2.0
// A bare JSON-RPC client: what the full clients would hide (codes, raw bodies) stays visible.
import { request as httpRequest } from 'node:http';
import WebSocket from 'ws';

/** A JSON-RPC error answer, with its standard code. */
export class RpcError extends Error {
  constructor(method, { code, message, data }) {
    super(`${method}: ${message} (${code})${data ? `: ${typeof data === 'string' ? data : JSON.stringify(data)}` : ''}`);
    this.code = code;
    this.data = data;
  }
}

/** One WebSocket connection. */
export class Rpc {
  static connect(url) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { maxPayload: 256 * 1024 * 1024, perMessageDeflate: false });
      socket.once('error', reject);
      socket.once('open', () => {
        socket.off('error', reject);
        resolve(new Rpc(socket));
      });
    });
  }

  constructor(socket) {
    this.socket = socket;
    this.nextId = 1;
    this.pending = new Map();
    this.subscriptions = new Map();
    /** Notifications that came before the answer that names their subscription. */
    this.early = new Map();
    socket.on('message', (data) => this.#receive(JSON.parse(data)));
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const { method, reject } of this.pending.values()) reject(new Error(`${method}: connection closed`));
      this.pending.clear();
    });
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  call(method, ...params) {
    return new Promise((resolve, reject) => {
      if (!this.open) return reject(new Error(`${method}: connection closed`));
      const id = this.nextId++;
      this.pending.set(id, { method, resolve, reject });
      this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  }

  /** Calls `onItem` for each notification; returns the subscription's id. */
  async subscribe(method, params, onItem) {
    const id = await this.call(method, ...params);
    this.subscriptions.set(id, onItem);
    for (const item of this.early.get(id) ?? []) onItem(item);
    this.early.delete(id);
    return id;
  }

  close() {
    this.socket.terminate();
  }

  #receive(message) {
    if (message.id === undefined || message.id === null) {
      const { subscription, result } = message.params ?? {};
      const onItem = this.subscriptions.get(subscription);
      if (onItem) onItem(result);
      else if (subscription !== undefined) {
        this.early.set(subscription, [...(this.early.get(subscription) ?? []), result]);
      }
      return;
    }
    const call = this.pending.get(message.id);
    if (!call) return;
    this.pending.delete(message.id);
    if (message.error) call.reject(new RpcError(call.method, message.error));
    else call.resolve(message.result);
  }
}

/** Posts a body as it is; returns status and the body as text. */
export async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return { status: response.status, text: await response.text() };
}

/** Announces a body of `length` bytes and sends the first of them only; returns what the server says to that. */
export function postDeclaring(url, length) {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': length },
    }, (response) => {
      let text = '';
      response.on('data', (chunk) => { text += chunk; });
      response.on('end', () => {
        request.destroy();
        resolve({ status: response.statusCode, text });
      });
    });
    request.on('error', reject);
    request.write('{"jsonrpc":"2.0","id":1,"method":"system_health","params":["');
  });
}
