# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by scripts/demo: an API is sold a thousand times. Uses its functions, its folder ($WORK), node and account `ada`.

# demo_api CONSUMER PROVIDER FIRST_PORT: three ports from FIRST_PORT on are used.
demo_api() {
  local consumer=$1 provider=$2 port=$3 bundle=$ROOT/contracts/target/marketplace.contract
  local genesis treasury number had spent base
  chapter 'An API, sold call by call'
  tell 'A marketplace is a contract: providers list APIs there, consumers hold coins in it, calls are settled thousands at a
time. Alice makes one; it has no owner.'
  [ -f "$bundle" ] || "$ROOT/scripts/contracts" >/dev/null
  genesis=$(rpc "$ALICE_PORT" chain_getBlockHash '[0]' | jq -re .)
  treasury=$(cairn --json account show //Alice | jq -re .address)
  # What backs vouchers thaws in 2 s, and an API's bond is 1 CRN at least.
  CAIRN_MARKETPLACE=$(cairn --json contract instantiate "$bundle" --account //Alice --yes --args \
    "{\"genesis\": \"$genesis\", \"treasury\": \"$treasury\", \"thaw_ms\": 2000, \"bond_min\": \"1_000_000_000_000\"}" | jq -re .contract)
  export CAIRN_MARKETPLACE
  tell "It is at $CAIRN_MARKETPLACE. $provider has a small HTTP server with figures of this chain, and an OpenAPI document of it; one command
lists it and stands before it. A call costs 0.001 CRN."
  start_process "$WORK/net" stats node "$ROOT/scripts/lib/chain-stats.mjs" "$port" "$ALICE_PORT"
  start_process "$WORK/net" api "$BIN/cairn" --url "$URL" --account "$provider" --yes api serve --name chain-stats \
    --openapi "$ROOT/scripts/lib/chain-stats.yaml" --upstream "http://127.0.0.1:$port" --price 0.001 \
    --listen "127.0.0.1:$((port + 1))" --data "$WORK/provider" --redeem-fees 100000
  wait_for 60 'the provider' curl -sf "http://127.0.0.1:$((port + 1))/.well-known/cairn/offer"
  shown api list
  tell 'Whoever calls it without paying gets an offer that a program can read:'
  printf '$ curl http://127.0.0.1:%s/blocks/7\n' "$((port + 1))"
  curl -s "http://127.0.0.1:$((port + 1))/blocks/7" | jq '{type, message, price, pay: .pay.scheme}' | sed 's/^/    /'
  tell "Ada deposits 5 CRN, and lets this machine spend up to 2 of them. To her programs the API is then a base URL:"
  shown api fund --deposit 5 --cap 2 --data "$WORK/consumer" --account "$consumer" --yes
  # Where there is one provider, one in 64 deterministic calls is made twice, to see whether it contradicts itself: not here, where
  # calls are counted.
  start_process "$WORK/net" api-proxy "$BIN/cairn" --url "$URL" --account "$consumer" api proxy \
    --listen "127.0.0.1:$((port + 2))" --data "$WORK/consumer" --cross-check-every 1000000000 --allow-local
  wait_for 30 'the proxy' test -s "$WORK/consumer/proxy.token"
  base=$(cairn api url chain-stats --proxy "127.0.0.1:$((port + 2))" --data "$WORK/consumer" --account "$consumer")
  wait_for 30 'the proxy' curl -sf "${base%chain-stats}"
  # shellcheck disable=SC2016
  printf '$ curl "$(cairn api url chain-stats)/blocks/7"\n'
  curl -sf "$base/blocks/7" | tee "$WORK/block" | sed 's/^/    /'
  printf '\n'
  check 'that is the block' [ "$(jq -re .hash "$WORK/block")" = "$(rpc "$ALICE_PORT" chain_getBlockHash '[7]' | jq -re .)" ]
  tell '999 calls more, over the last final blocks and back:'
  for ((number = 0; number < 999; number += 9)); do
    curl -sf "$base/blocks/[1-9]" >>"$WORK/blocks"
    printf '\n' >>"$WORK/blocks"
  done
  check 'all 999 were answered' [ "$(grep -o '"number"' "$WORK/blocks" | wc -l)" = 999 ]
  counted() { [ "$(cairn --json api earnings 0 --data "$WORK/provider" --account "$provider" | jq -re '.consumers[0].calls')" = 1000 ]; }
  # Use is written four times a second.
  wait_for 10 'the provider to have counted 1,000 calls' counted
  shown api earnings 0 --data "$WORK/provider" --account "$provider"
  tell 'Not one of them was a transaction. The provider stops, and redeems its last voucher: one transaction for all of them.'
  stop_processes "$WORK/net" api
  had=$(free "$provider")
  shown api earnings 0 --redeem --data "$WORK/provider" --account "$provider" --yes
  check 'nothing is due any more' [ "$(cairn --json api earnings 0 --data "$WORK/provider" --account "$provider" | jq -re .due.units)" = 0 ]
  spent=$(curl -sf "${base%chain-stats}" | jq -re .spent.total)
  tell "$provider had $(coins "$had"), and has $(coins "$(free "$provider")"). Ada's proxy has promised $(coins "$spent") in all, and that is what was paid."
  # Numbers too big for the shell's own.
  check 'the provider got more than the fee' [ "$(awk -v now="$(free "$provider")" -v had="$had" 'BEGIN { print (now > had) }')" = 1 ]
  check 'what was promised is what was redeemed' [ "$(cairn --json api earnings 0 --data "$WORK/provider" --account "$provider" | jq -re .redeemed.units)" = "$spent" ]
  stop_processes "$WORK/net" api-proxy stats
}

# coins PLANCKS: in CRN.
coins() { awk -v plancks="$1" 'BEGIN { printf "%.4f CRN", plancks / 1e12 }'; }
