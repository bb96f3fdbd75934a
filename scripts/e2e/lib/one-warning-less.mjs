// SPDX-License-Identifier: Apache-2.0
// To be imported before @polkadot/api. It warns that its parts are not of its own version: package.json says why.
const warn = console.warn;
console.warn = (...args) => {
  if (!/requires direct dependencies exactly matching version/.test(String(args[0]))) warn(...args);
};
