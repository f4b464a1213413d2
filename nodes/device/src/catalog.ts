/**
 * Every command as data: its arguments, its help, and where its code is. The command line and the
 * daemon's API both read it; nothing here imports what a command needs.
 *
 * @module
 */
import { type CatalogCommand, notYet, operand, option, record } from "./catalog-entry.ts"
import { WAIT_SECONDS_DEFAULT } from "./command.ts"

/** Commands that only group others. */
export const GROUPS: ReadonlyMap<string, string> = new Map([
  ["relay", "The relays that keep your record for devices that are off."],
  ["terms", "The terms that you can proffer."],
  ["intent", "What you want, told to many companies without saying who you are. (not yet)"],
])

const WAIT = option("number", "wait", "--wait <seconds>", "how long to try to send", {
  default: String(WAIT_SECONDS_DEFAULT),
})
const YES = option("flag", "yes", "--yes", "take the default of every question")
const WATCH = option("flag", "watch", "--watch", "go on, and show every change")
const VENDOR = operand("text", "vendor", "<vendor>", "the company's name, or the relationship's id")
const ATTACHMENT = operand(
  "text",
  "attachment",
  "<attachment>",
  "its name, its id, or a path that refers to it",
)
const NO_PASSPHRASE = option(
  "flag",
  "noPassphrase",
  "--no-passphrase",
  "keep this device's key in the clear, for scripts and machines without a screen",
)
const LISTEN = option(
  "texts",
  "listen",
  "--listen <addr...>",
  "multiaddr to listen at; may be given again",
  { default: "/ip4/0.0.0.0/tcp/0, every interface" },
)
const NAME = option("text", "name", "--name <name>", "this device's name (default: the machine's)")
const WORDS = option("input", "words", "--words <file>", "a file with the words (default: asked)")
const ASIDE = operand("texts", "id", "<id...>", "as `fulcrum devices aside` shows it, or all")
const RELAYS = option("texts", "relay", "--relay <addr...>", "a relay; may be given again")

export const CATALOG: readonly CatalogCommand[] = [
  {
    name: "init",
    summary: "Begin a new record on this device; prints the 24 words once.",
    parameters: [NAME, RELAYS, NO_PASSPHRASE, YES, WAIT],
    examples: ["fulcrum init --name laptop --relay /dns4/relay.example/tcp/4001/p2p/12D3KooW…"],
    where: "folder",
  },
  record("relay add", "Add a relay to the record.", {
    parameters: [operand("text", "address", "<addr>", "multiaddr ending in /p2p/ID"), WAIT],
    examples: ["fulcrum relay add /dns4/relay.example/tcp/4001/p2p/12D3KooW…"],
    load: async () => (await import("./commands/relay.ts")).relayAdd,
  }),
  record("relay remove", "Remove a relay from the record.", {
    parameters: [operand("text", "address", "<addr>", "as `fulcrum relay list` shows it"), WAIT],
    examples: ["fulcrum relay remove /dns4/relay.example/tcp/4001/p2p/12D3KooW…"],
    load: async () => (await import("./commands/relay.ts")).relayRemove,
  }),
  record("relay list", "List the record's relays.", {
    parameters: [],
    examples: ["fulcrum relay list"],
    load: async () => (await import("./commands/relay.ts")).relayList,
  }),
  record("import", "Take in a contact card: vCard 2.1 to 4.0, jCard or JSContact.", {
    parameters: [operand("files", "files", "<file...>", "files to read"), WAIT],
    examples: ["fulcrum import me.vcf"],
    load: async () => (await import("./commands/import.ts")).importFiles,
  }),
  record("export", "Write the record in an open format.", {
    parameters: [
      option("text", "format", "--format <format>", "json, jscontact or vcard", {
        default: "json",
      }),
      option("flag", "all", "--all", "every document, relationships too"),
    ],
    examples: ["fulcrum export --format vcard > me.vcf"],
    load: async () => (await import("./commands/export.ts")).exportRecord,
  }),
  record("get", "Show the record, or one part of it.", {
    parameters: [operand("text", "path", "[path]", "such as card/addresses/home")],
    isForShown: true,
    examples: ["fulcrum get card/addresses/home"],
    load: async () => (await import("./commands/edit.ts")).get,
  }),
  record("set", "Set one field; says whom it reaches.", {
    parameters: [
      operand("text", "path", "<path>", "such as card/phones/home"),
      operand(
        "text",
        "value",
        "<value>",
        "text, or JSON if it is an object, array or quoted string",
      ),
      WAIT,
    ],
    examples: [
      'fulcrum set card/phones/home "+49 30 901820"',
      `fulcrum set card/name '{"full":"Ada Blume"}'`,
    ],
    load: async () => (await import("./commands/edit.ts")).set,
  }),
  record("unset", "Remove one field; says whom it reaches.", {
    parameters: [operand("text", "path", "<path>", "such as card/phones/home"), WAIT],
    examples: ["fulcrum unset card/phones/home"],
    load: async () => (await import("./commands/edit.ts")).unset,
  }),
  record("history", "Show what was written, oldest first, and on which device.", {
    parameters: [operand("text", "path", "[path]", "such as card/phones/home")],
    examples: ["fulcrum history card/phones/home"],
    load: async () => (await import("./commands/edit.ts")).history,
  }),
  record("undo", "Undo this device's newest edit; undo that to have it again.", {
    parameters: [WAIT],
    examples: ["fulcrum undo"],
    load: async () => (await import("./commands/edit.ts")).undo,
  }),
  record("attach", "Add a file, such as a photo or a scanned contract; it stays sealed here.", {
    parameters: [
      operand("input", "file", "<file>", "the file"),
      operand("text", "path", "[path]", "what refers to it, as card/media/photo"),
      WAIT,
    ],
    examples: ["fulcrum attach me.jpg card/media/photo", "fulcrum attach contract.pdf"],
    load: async () => (await import("./commands/attachments.ts")).attach,
  }),
  record("attachments", "List the files of your record, and what of them is here.", {
    parameters: [],
    examples: ["fulcrum attachments", "fulcrum attachments get contract.pdf"],
    load: async () => (await import("./commands/attachments.ts")).attachments,
  }),
  record("attachments get", "Write one to a file; what is not here comes from your devices.", {
    parameters: [
      ATTACHMENT,
      operand("output", "file", "[file]", "where to (default: its name, in this folder)"),
      option("number", "wait", "--wait <seconds>", "how long to look for a device that has it", {
        default: String(WAIT_SECONDS_DEFAULT),
      }),
    ],
    examples: [
      "fulcrum attachments get contract.pdf",
      "fulcrum attachments get card/media/photo a.jpg",
    ],
    load: async () => (await import("./commands/attachments.ts")).getAttachment,
  }),
  record("attachments remove", "Take one away, on all of your devices.", {
    parameters: [ATTACHMENT, YES, WAIT],
    examples: ["fulcrum attachments remove contract.pdf"],
    load: async () => (await import("./commands/attachments.ts")).removeAttachment,
  }),
  {
    name: "up",
    summary: "Stay up: keep in step with your other devices, relays and companies.",
    parameters: [
      LISTEN,
      option(
        "flag",
        "locked",
        "--locked",
        "begin locked, until `fulcrum unlock`: asks for nothing",
      ),
    ],
    examples: [
      "fulcrum up",
      "fulcrum up --listen /ip4/0.0.0.0/tcp/4101 --json",
      "fulcrum up --locked",
    ],
    where: "folder",
  },
  record("pair", "Show a code that adds another device.", {
    parameters: [LISTEN, YES],
    examples: ["fulcrum pair", "fulcrum pair --listen /ip4/127.0.0.1/tcp/0"],
    load: async () => (await import("./commands/pair.ts")).pair,
  }),
  {
    name: "join",
    summary: "Join the record of the device that shows a code.",
    parameters: [
      operand(
        "text",
        "code",
        "[code]",
        "as `fulcrum pair` shows it, or all that its QR code says (default: you are asked, and Tab completes)",
      ),
      option("text", "relay", "--relay <addr>", "the relay that the code was made at"),
      option("text", "at", "--at <addr>", "the other device's own address"),
      NAME,
      NO_PASSPHRASE,
      YES,
      WAIT,
    ],
    examples: [
      "fulcrum join 4711-copper-lemon-orbit --relay /dns4/relay.example/tcp/4001/p2p/…",
      "fulcrum join fulcrum-pair:1.hlggq…",
    ],
    where: "folder",
  },
  record("devices", "List your devices.", {
    parameters: [],
    isForAwaited: true,
    examples: ["fulcrum devices", 'fulcrum devices revoke "old phone"'],
    saysRemoved: true,
    load: async () => (await import("./commands/devices.ts")).devices,
  }),
  record("devices rename", "Give a device another name; all of your devices show it.", {
    parameters: [
      operand("text", "name", "<name>", "the device's name, or its id"),
      operand("text", "newName", "<new-name>", "what it is to be called"),
      WAIT,
    ],
    examples: ['fulcrum devices rename phone "old phone"'],
    load: async () => (await import("./commands/devices.ts")).rename,
  }),
  record("devices revoke", "Remove a device: it reads nothing that is written from now on.", {
    parameters: [operand("text", "name", "<name>", "the device's name, or its id"), YES, WAIT],
    examples: ['fulcrum devices revoke "old phone"'],
    load: async () => (await import("./commands/devices.ts")).revoke,
  }),
  record(
    "devices aside",
    "What removed devices wrote that does not count: yours to take or drop.",
    {
      parameters: [],
      examples: ["fulcrum devices aside"],
      load: async () => (await import("./commands/aside.ts")).aside,
    },
  ),
  record("devices take", "Write into the record what was set aside, as an edit of yours.", {
    parameters: [ASIDE, WAIT],
    examples: ["fulcrum devices take 3fa94c01"],
    load: async () => (await import("./commands/aside.ts")).take,
  }),
  record("devices drop", "Leave what was set aside as it is, and list it no more.", {
    parameters: [ASIDE, WAIT],
    examples: ["fulcrum devices drop all"],
    load: async () => (await import("./commands/aside.ts")).drop,
  }),
  record("connect", "Follow a company's invitation; shows first what it would get.", {
    parameters: [
      operand("text", "invitation", "<invitation>", "begins with fulcrum:"),
      option("text", "disclose", "--disclose <path,...>", "fields to give; PATH:once for just now"),
      option("text", "terms", "--terms <id>", "the agreement that you proffer"),
      option("number", "wait", "--wait <seconds>", "wait for the company's answer"),
      YES,
    ],
    examples: ["fulcrum connect fulcrum:1.o2F… --disclose card/name,card/emails/home --wait 30"],
    load: async () => (await import("./commands/connect.ts")).connect,
  }),
  notYet("open", "Open the page in a browser.", "fulcrum open"),
  record("relationships", "List the companies that you deal with.", {
    parameters: [],
    examples: ["fulcrum relationships"],
    load: async () => (await import("./commands/relationships.ts")).relationships,
  }),
  record("relationships unfreeze", "Let the recovery words decide which key of two is yours.", {
    parameters: [VENDOR, WORDS, WAIT],
    examples: ["fulcrum relationships unfreeze acme"],
    load: async () => (await import("./commands/relationships.ts")).unfreeze,
  }),
  record("show", "Show a relationship: what it holds, under which terms.", {
    parameters: [VENDOR],
    examples: ["fulcrum show acme"],
    load: async () => (await import("./commands/relationships.ts")).show,
  }),
  notYet("disclose", "Give a company more fields.", "fulcrum disclose acme card/phones/home"),
  notYet("withdraw", "Take back fields from a company.", "fulcrum withdraw acme card/phones/home"),
  notYet("leave", "End a relationship.", "fulcrum leave acme --delete"),
  record("who-has", "Show which companies hold a field, and what proves it.", {
    parameters: [operand("text", "path", "<path>", "such as card/phones/home")],
    examples: ["fulcrum who-has card/phones/home"],
    load: async () => (await import("./commands/relationships.ts")).whoHas,
  }),
  record("terms list", "List the terms that you can proffer.", {
    parameters: [],
    isForAwaited: true,
    examples: ["fulcrum terms list"],
    load: async () => (await import("./commands/terms.ts")).termsList,
  }),
  notYet("terms policy", "Say which terms you accept where.", "fulcrum terms policy"),
  record("move", "Tell every company of a change in one move; shows first who gets what.", {
    parameters: [
      operand("texts", "assignments", "<path=value...>", "what changes, and to what"),
      option("text", "from", "--from <date>", "the day from which it holds, as 2026-12-15"),
      option("flag", "dryRun", "--dry-run", "only show who would get what"),
      YES,
      WAIT,
    ],
    examples: [
      'fulcrum move "card/addresses/home=Seestrasse 2, 8002 Zurich" --from 2026-12-15',
      "fulcrum move card/phones/home=+41441234567 --dry-run",
    ],
    load: async () => (await import("./commands/move.ts")).move,
  }),
  record("board", "Show how far a move has got with each company.", {
    parameters: [
      operand("text", "move", "[move]", "a move's id (default: the newest)"),
      option("flag", "watch", "--watch", "go on until every company has answered"),
    ],
    examples: ["fulcrum board --watch"],
    load: async () => (await import("./commands/board.ts")).board,
  }),
  notYet("intent new", "Make an intent known.", 'fulcrum intent new "hiking boots, size 44"'),
  notYet("intent list", "List your intents.", "fulcrum intent list"),
  notYet("intent withdraw", "Take back an intent.", "fulcrum intent withdraw boots"),
  notYet("offers", "List the offers that answer an intent.", "fulcrum offers boots"),
  notYet("accept", "Accept an offer.", "fulcrum accept 3f2a"),
  {
    name: "passphrase",
    summary:
      "Choose another passphrase for this device, or the first one; asks for the old one first (without a terminal: FULCRUM_PASSPHRASE_FILE, and FULCRUM_NEW_PASSPHRASE_FILE).",
    parameters: [],
    examples: ["fulcrum passphrase"],
    where: "folder",
  },
  {
    name: "lock",
    summary:
      "Make a running `fulcrum up` forget the key, and with it the record, until `fulcrum unlock`.",
    parameters: [],
    examples: ["fulcrum lock"],
    where: "folder",
  },
  {
    name: "unlock",
    summary:
      "Open the record for a locked `fulcrum up`; asks for the passphrase, or takes it from FULCRUM_PASSPHRASE_FILE.",
    parameters: [],
    examples: ["fulcrum unlock"],
    where: "folder",
  },
  record("status", "Show what is in step, and what still waits here.", {
    parameters: [WATCH],
    isForAwaited: true,
    examples: ["fulcrum status"],
    saysRemoved: true,
    load: async () => (await import("./commands/status.ts")).status,
  }),
  record("sync", "Fetch and send what there is, then end.", {
    parameters: [WAIT],
    isForAwaited: true,
    examples: ["fulcrum sync --wait 30"],
    load: async () => (await import("./commands/status.ts")).sync,
  }),
  notYet("log", "Show the audit log.", "fulcrum log"),
  record("doctor", "Check the folder, the record and the network.", {
    parameters: [
      option(
        "flag",
        "repair",
        "--repair",
        "make a damaged folder anew from what can be read of it",
      ),
    ],
    isForAwaited: true,
    examples: ["fulcrum doctor", "fulcrum doctor --repair"],
    saysRemoved: true,
    load: async () => (await import("./commands/doctor.ts")).doctor,
  }),
  {
    name: "recover",
    summary: "Bring your record back with its 24 words, when all of your devices are gone.",
    parameters: [
      option(
        "texts",
        "relay",
        "--relay <addr...>",
        "as written below the words; may be given again",
      ),
      option("text", "at", "--at <addr>", "a device of yours that runs, as its `fulcrum up` says"),
      WORDS,
      NAME,
      NO_PASSPHRASE,
      YES,
      WAIT,
    ],
    examples: [
      "fulcrum recover --relay /dns4/relay.example/tcp/4001/p2p/12D3KooW…",
      "fulcrum recover --at /ip4/192.168.1.20/tcp/40123",
    ],
    where: "folder",
  },
  record("recovery-drill", "Try whether your 24 words would bring everything back.", {
    parameters: [WORDS, WAIT],
    examples: ["fulcrum recovery-drill"],
    load: async () => (await import("./commands/recovery.ts")).recoveryDrill,
  }),
  record("recovery-words", "Make new recovery words in the place of the old.", {
    parameters: [
      option(
        "input",
        "words",
        "--words <file>",
        "a file with the words until now (default: asked)",
      ),
      YES,
      WAIT,
    ],
    examples: ["fulcrum recovery-words", "fulcrum recovery-words --words old-words.txt"],
    load: async () => (await import("./commands/recovery.ts")).recoveryWords,
  }),
  record("backup", "Write all of your record to a file that the 24 words open.", {
    parameters: [operand("output", "file", "<file>", "where to")],
    examples: ["fulcrum backup record.age"],
    load: async () => (await import("./commands/recovery.ts")).backup,
  }),
  {
    name: "restore",
    summary: "Bring your record back from such a file, with its 24 words.",
    parameters: [
      operand("input", "file", "<file>", "as `fulcrum backup` wrote it"),
      WORDS,
      NAME,
      NO_PASSPHRASE,
      YES,
      WAIT,
    ],
    examples: ["fulcrum restore record.age"],
    where: "folder",
  },
]
