#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a genesis template for what no network could start or go on with.

    genesis.py check TEMPLATE                one line for each thing that is wrong, with its field and how to mend it
    genesis.py with-code TEMPLATE BLOB       the specification with the runtime in it, if nothing is wrong
    genesis.py reason                        what the node says of a genesis (standard input) without the genesis

What the runtime's own types refuse (a field that is misspelt, a number that is too big) the node tells afterwards.
"""
import collections
import hashlib
import json
import os
import sys

# Of the field below both curves (RFC 8032, RFC 9496).
P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SS58_CHECK_BYTES = 2
BALANCE_END = 2**128
COUNT_END = 2**32
# A test of the runtime holds this against the runtime's.
EXISTENTIAL_DEPOSIT = 1_000_000_000
WHOLE_PARTS = 10**9
REASON_CHARACTERS = 800
TEMPLATE = os.path.join(os.path.dirname(__file__), "../../chain-spec/production.template.json")


def public_key(address):
    """The 32 bytes of an address, or None."""
    if not isinstance(address, str) or not 46 <= len(address) <= 50 or any(c not in ALPHABET for c in address):
        return None
    number = 0
    for c in address:
        number = number * 58 + ALPHABET.index(c)
    # One or two bytes of prefix, the key, two bytes of check.
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    raw = bytes(len(address) - len(address.lstrip("1"))) + raw
    body, check = raw[:-SS58_CHECK_BYTES], raw[-SS58_CHECK_BYTES:]
    if len(body) not in (33, 34) or hashlib.blake2b(b"SS58PRE" + body, digest_size=64).digest()[:SS58_CHECK_BYTES] != check:
        return None
    return body[-32:]


def root_of_ratio(u, v):
    """Whether u/v is a square of the field, and a root of it."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    if check == u % P:
        return True, r
    if check == -u % P:
        return True, r * SQRT_M1 % P
    return False, 0


def is_ed25519(key):
    """Whether bytes are a point of the curve, as every ed25519 key is. Half of all others are, too."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    return y < P and root_of_ratio(y * y - 1, D * y * y + 1)[0]


def is_sr25519(key):
    """Whether bytes are an element of the Ristretto group, as every sr25519 key is. One in sixteen others is, too."""
    s = int.from_bytes(key, "little")
    if s >= P or s % 2 == 1:
        return False
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    square, root = root_of_ratio(1, v * u2 * u2 % P)
    if not square:
        return False
    x_part, y_part = root * u2 % P, root * root * u2 * v % P
    x = 2 * s * x_part % P
    x = P - x if x % 2 == 1 else x
    y = u1 * y_part % P
    return x * y % P % 2 == 0 and y != 0


KINDS = {
    "grandpa": ("an ed25519 key", is_ed25519),
    "babe": ("an sr25519 key", is_sr25519),
    "authority_discovery": ("an sr25519 key", is_sr25519),
}


def whole(value, end):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def shown(value):
    # As JSON, so that no character of a file does anything to a terminal.
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def rows(parent, path, shape, wrong):
    """The entries of a list of lists of this length; others are told of."""
    found = parent
    for name in path.split("."):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    if found == {}:
        return []
    if not isinstance(found, list):
        wrong.append(f"{path} is no list: write a list of {shape}")
        return []
    good = [row for row in found if isinstance(row, list) and len(row) == len(shape.split(", "))]
    if len(good) < len(found):
        bad = next(row for row in found if row not in good)
        wrong.append(f"{path} holds {shown(bad)}: write each entry as [{shape}]")
    return good


def repeated(values):
    return [value for value, count in collections.Counter(values).items() if count > 1]


def check_addresses(path, addresses, wrong):
    for address in addresses:
        if public_key(address) is None:
            wrong.append(f"{path} has {shown(address)}, which is no address: one of its characters is wrong or missing")
    for address in repeated(str(address) for address in addresses):
        wrong.append(f"{path} has {shown(address)} more than once: leave one of them")


def check_balances(patch, wrong):
    listed = rows(patch, "balances.balances", "address, plancks", wrong)
    check_addresses("balances.balances", [row[0] for row in listed], wrong)
    for address, amount in listed:
        if not whole(amount, BALANCE_END):
            wrong.append(f"balances.balances gives {shown(address)} {shown(amount)}: write a whole number of plancks below 2^128, without quotes")
        elif amount < EXISTENTIAL_DEPOSIT:
            wrong.append(f"balances.balances gives {shown(address)} {amount}: an account has at least {EXISTENTIAL_DEPOSIT} plancks")
    balances = {str(row[0]): row[1] for row in listed if whole(row[1], BALANCE_END)}
    if sum(balances.values()) >= BALANCE_END:
        wrong.append(f"balances.balances is {sum(balances.values())} plancks in all: all coins together must stay below 2^128")
    return balances


def check_keys(patch, wrong):
    listed = rows(patch, "session.keys", "stash, stash, keys", wrong)
    check_addresses("session.keys", [row[0] for row in listed], wrong)
    named = collections.defaultdict(list)
    for stash, account, session in listed:
        if account != stash:
            wrong.append(f"session.keys names {shown(stash)} and {shown(account)}: write the stash twice")
        if not isinstance(session, dict) or set(session) != set(KINDS):
            wrong.append(f"session.keys of {shown(stash)} must name {', '.join(KINDS)}, and nothing else")
            continue
        for kind, key in session.items():
            raw, (what, is_one) = public_key(key), KINDS[kind]
            named[str(key)].append((str(stash), kind))
            if raw is None:
                wrong.append(f"session.keys of {shown(stash)}: {kind} is {shown(key)}, which is no address of a key")
            elif not is_one(raw):
                wrong.append(f"session.keys of {shown(stash)}: {kind} is {shown(key)}, which is not {what}: are two keys exchanged?")
    for key, places in named.items():
        stashes, kinds = {stash for stash, _ in places}, {kind for _, kind in places}
        if len(stashes) > 1:
            wrong.append(f"session.keys: {shown(key)} is the key of {len(stashes)} validators: {', '.join(shown(stash) for stash in sorted(stashes))}. Each needs its own")
        if "grandpa" in kinds and len(kinds) > 1:
            wrong.append(f"session.keys: {shown(key)} can't be both {' and '.join(sorted(kinds))}: GRANDPA's key is an ed25519 key")
    return {str(row[0]) for row in listed}


def check_babe(patch, wrong):
    config = patch.get("babe", {}).get("epochConfig") if isinstance(patch.get("babe", {}), dict) else None
    if not isinstance(config, dict):
        wrong.append("babe.epochConfig is missing: take the template's")
        return
    chance = config.get("c")
    good = isinstance(chance, list) and len(chance) == 2 and all(whole(part, COUNT_END) for part in chance)
    if not good or not 0 < chance[0] <= chance[1]:
        wrong.append(f"babe.epochConfig.c is {shown(chance)}: write the chance of a slot as a fraction above 0 and at most 1, like [1, 4]")
    if config.get("allowed_slots") != "PrimaryAndSecondaryVRFSlots":
        wrong.append(f"babe.epochConfig.allowed_slots is {shown(config.get('allowed_slots'))}: write PrimaryAndSecondaryVRFSlots, since the "
                     "randomness by which storage is drawn needs an output in each block")


def check_staking(patch, balances, with_keys, wrong):
    staking = patch.get("staking") if isinstance(patch.get("staking"), dict) else {}
    stakers = rows(patch, "staking.stakers", "stash, stash, plancks, role", wrong)
    check_addresses("staking.stakers", [row[0] for row in stakers], wrong)
    validators = {str(row[0]) for row in stakers if row[3] == "Validator"}
    force, reward = staking.get("forceEra"), staking.get("slashRewardFraction", 0)
    if force not in (None, "NotForcing"):
        wrong.append(f"staking.forceEra is {shown(force)}: write NotForcing, or eras don't follow the clock")
    if not whole(reward, WHOLE_PARTS + 1):
        wrong.append(f"staking.slashRewardFraction is {shown(reward)}: write parts of a billion, at most {WHOLE_PARTS}")
    for stash, account, stake, role in stakers:
        targets = role.get("Nominator") if isinstance(role, dict) and set(role) == {"Nominator"} else None
        if role not in ("Validator", "Idle") and not (isinstance(targets, list) and targets):
            wrong.append(f"staking.stakers has {shown(stash)} as {shown(role)}: write Validator, Idle or {{\"Nominator\": [stash, ...]}}")
        for target in targets if isinstance(targets, list) else []:
            if str(target) not in validators:
                wrong.append(f"staking.stakers: {shown(stash)} nominates {shown(target)}, who is no Validator there")
        least = staking.get("minValidatorBond" if role == "Validator" else "minNominatorBond", 0)
        if account != stash:
            wrong.append(f"staking.stakers names {shown(stash)} and {shown(account)}: write the stash twice")
        if not whole(stake, BALANCE_END):
            wrong.append(f"staking.stakers has {shown(stash)} stake {shown(stake)}: write a whole number of plancks, without quotes")
        elif balances.get(str(stash), 0) <= stake:
            wrong.append(f"{shown(stash)} stakes {stake} and holds {balances.get(str(stash), 0)}: balances.balances must give it more than its stake")
        elif whole(least, BALANCE_END) and stake < least:
            wrong.append(f"{shown(stash)} stakes {stake}: that is below the least that staking has for its role, {least}")
        if role == "Validator" and str(stash) not in with_keys:
            wrong.append(f"{shown(stash)} is to validate and has no session.keys: it would never make a block")
    for stash in sorted(with_keys - validators):
        wrong.append(f"{shown(stash)} has session.keys and is no Validator of staking.stakers: name it there, or leave its keys out")
    if not validators:
        wrong.append("staking.stakers names no Validator: nobody would make a block")
    count, least, most = (staking.get(name) for name in ("validatorCount", "minimumValidatorCount", "maxValidatorCount"))
    for name, value in (("validatorCount", count), ("minimumValidatorCount", least)):
        if not whole(value, COUNT_END) or value == 0:
            wrong.append(f"staking.{name} is {shown(value)}: write a number of validators, at least 1")
    if whole(least, COUNT_END) and validators and least > len(validators):
        wrong.append(f"staking.minimumValidatorCount is {least}, and there are {len(validators)} validators: no election would ever succeed")
    if whole(count, COUNT_END) and whole(least, COUNT_END) and 0 < count < least:
        wrong.append(f"staking.validatorCount is {count}, below minimumValidatorCount {least}: no election would ever succeed")
    if whole(most, COUNT_END) and most < max(len(validators), 1):
        wrong.append(f"staking.maxValidatorCount is {most}, and there are {len(validators)} validators")


def check_around(spec, wrong):
    with open(TEMPLATE) as file:
        expected = json.load(file)["properties"]
    properties = spec.get("properties") if isinstance(spec.get("properties"), dict) else {}
    for name, value in expected.items():
        if properties.get(name) != value:
            wrong.append(f"properties.{name} is {shown(properties.get(name))}: the runtime has {shown(value)}, and every transaction is signed for that")
    boot = spec.get("bootNodes", [])
    for address in boot if isinstance(boot, list) else [boot]:
        if not isinstance(address, str) or not address.startswith("/") or "/p2p/" not in address:
            wrong.append(f"bootNodes has {shown(address)}: write /dns/NAME/tcp/PORT/p2p/PEER-ID")


def load(template):
    try:
        with open(template) as file:
            spec = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        sys.exit(f"{template} is no JSON: {shown(str(error))}")
    genesis = spec.get("genesis") if isinstance(spec, dict) else None
    runtime = genesis.get("runtimeGenesis") if isinstance(genesis, dict) else None
    patch = runtime.get("patch") if isinstance(runtime, dict) else None
    if not isinstance(patch, dict):
        sys.exit(f"{template} has no genesis.runtimeGenesis.patch: begin with chain-spec/production.template.json")
    wrong = []
    check_around(spec, wrong)
    balances = check_balances(patch, wrong)
    check_babe(patch, wrong)
    check_staking(patch, balances, check_keys(patch, wrong), wrong)
    if wrong:
        sys.exit("\n".join([f"{template} can't be a genesis:"] + wrong))
    return spec


def main(args):
    if args[:1] == ["check"] and len(args) == 2:
        load(args[1])
    elif args[:1] == ["with-code"] and len(args) == 3:
        spec = load(args[1])
        with open(args[2], "rb") as file:
            spec["genesis"]["runtimeGenesis"]["code"] = "0x" + file.read().hex()
        json.dump(spec, sys.stdout)
    elif args == ["reason"]:
        # Behind the reason the node repeats the whole genesis, or tells where in the runtime it stood.
        said = sys.stdin.read().split(" for blob:")[0].split("WASM backtrace")[0]
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        text = "".join(c if c.isprintable() else " " for c in " ".join(lines))
        print(text[-REASON_CHARACTERS:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
