// SPDX-License-Identifier: Apache-2.0

//! What `--help` shows below the options.

pub const API_HELP: &str = "\
Whoever has an HTTP server sells calls of it with `cairn api serve`; whoever wants to call it pays ahead in small steps, and
programs see nothing but a base URL. Prices are in CRN a unit; a call takes as many units as its operation says.

Examples:
  cairn api serve --openapi weather.yaml --upstream http://127.0.0.1:8080 --price 0.0001 --endpoint https://weather.example --account bob
  cairn api fund --deposit 20 --cap 10 --account alice
  cairn api call weather '/now?city=Zurich' --account alice
  cairn api proxy --account alice    then: curl \"$(cairn api url weather --account alice)/now?city=Zurich\"";

pub const SERVE_HELP: &str = "\
Lists the API, or changes its listing to what is given here, and serves until it is interrupted. Vouchers are kept on this
disk before anything is answered for them, and redeemed when they are worth the fee. Without --endpoint, the address that
--listen names is listed, which serves this machine only. Paths of the document are below --upstream: where its `servers` have
a path (https://api.example/v1), --upstream must have it, too. Answers of 4xx are charged, those of 429 and 5xx are not.

Examples:
  cairn api serve --openapi api.yaml --upstream http://127.0.0.1:8080 --price 0.0001 --account bob
  cairn api serve --openapi api.yaml --upstream http://127.0.0.1:8080 --price 0.0001 --listen 0.0.0.0:443 --tls-cert cert.pem \\
    --tls-key key.pem --endpoint https://api.example --drive attic --account bob";

pub const CALL_HELP: &str = "\
The answer's body goes to standard output. --json shows status and headers, too. Exit code 1 for an answer of 400 and more.

Examples:
  cairn api call weather '/now?city=Zurich' --account alice
  cairn api call translate /text -b '{\"text\": \"hello\", \"to\": \"fr\"}' --account alice
  cairn api call weather /now --badge badge.json --key user.key";

pub const PROXY_HELP: &str = "\
Every API is at http://ADDRESS:PORT/TOKEN/NAME/path; http://ADDRESS:PORT/TOKEN/ shows providers and what was spent. The token is made
once, in the file that the proxy names when it starts; only this user can read it. `cairn api url NAME` prints the base URL. Programs
that can't have it in the URL send it as the header `cairn-token`. Whoever has the token spends your coins, up to the caps: the proxy
listens on this machine only unless told otherwise, and refuses web pages whose origin isn't allowed. Cookies, credentials that the
document doesn't ask for, and redirects to other places don't pass; providers on this machine or in private networks are used only with
--allow-local.

Examples:
  cairn api proxy --cap-day 1 --account alice
  curl \"$(cairn api url weather --account alice)/now?city=Zurich\"";

pub const FUND_HELP: &str = "\
A key is made on this machine, that may sign vouchers and do nothing else. What it may spend is the smaller of its cap and
what was deposited.

Examples:
  cairn api fund --deposit 20 --cap 10 --days 30 --account alice
  cairn api fund --revoke --account alice";

pub const PLANS_HELP: &str = "\
A plan's units are used before vouchers, in every period anew; what is left over is lost. A subscription is paid from what was
deposited. What this machine knows to be left is what its own calls used, and what the provider said last.

Examples:
  cairn api plans 0 --add monthly --price 5 --units 100000 --days 30 --account bob
  cairn api plans 0 --subscribe 0 --account alice
  cairn api plans 0 --cancel --account alice
  cairn api plans 0 --close 0 --account bob
  cairn api plans 0 --account alice";

pub const BADGE_HELP: &str = "\
A badge is signed by this machine's key (`cairn api fund` makes it) and costs nothing. Its user's calls use up the consumer's plan,
and what its proxy has paid ahead to that provider, up to the badge's units. Units are a total: a second badge over 150 for a user
that had 100 gives it 50 more. `cairn api fund --revoke` makes all badges worthless.

Examples:
  cairn api badge --new-key user.key                                      # the user, who keeps the file
  cairn api badge --api 0 --user 0xd43593c7... --units 1000 --days 30 --out badge.json --account alice
  cairn api call weather '/now?city=Zurich' --badge badge.json --key user.key";

pub const REPORT_HELP: &str = "\
The proxy compares answers of deterministic methods now and then. A provider that signs two different ones to the same request is
avoided, and the proof is kept in `conflicts` in the proxy's --data; its log and its page at / name the file.

Examples:
  curl -s \"$(cairn api url --account alice)\" | jq .conflicts
  cairn api report ~/.local/share/cairn/api/.../conflicts/api-3-a1b2c3d4e5f60718.json --account alice";
