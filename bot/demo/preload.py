"""What the local workspace's program is taught before it starts: it has no option for any of it.

It would listen on all interfaces; it forgets what a form was filled with beforehand when a person leaves a field as it
is; and its page shows dates, entities and some emoji as they are written, where Slack shows what they mean.
"""

import json
from collections.abc import Mapping
from typing import Final

EMOJI: Final[Mapping[str, str]] = {
    "alarm_clock": "⏰",
    "arrow_forward": "▶️",
    "arrow_right": "➡️",
    "arrow_right_hook": "↪️",
    "arrows_counterclockwise": "🔄",
    "bell": "🔔",
    "eyes": "👀",
    "fast_forward": "⏩",
    "grey_question": "❔",
    "heavy_minus_sign": "➖",
    "hourglass": "⌛",
    "hourglass_flowing_sand": "⏳",
    "information_source": "ℹ️",
    "large_green_circle": "🟢",
    "leftwards_arrow_with_hook": "↩️",
    "lock": "🔒",
    "mag": "🔍",
    "mute": "🔇",
    "no_entry": "⛔",
    "octagonal_sign": "🛑",
    "point_right": "👉",
    "raised_hand": "✋",
    "repeat": "🔁",
    "rotating_light": "🚨",
    "small_blue_diamond": "🔹",
    "small_orange_diamond": "🔸",
    "snowflake": "❄️",
    "speech_balloon": "💬",
    "unlock": "🔓",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "white_circle": "⚪",
    "white_small_square": "▫️",
    "x": "❌",
}
"""Slack's names of the signs that the bot uses."""
SCRIPT: Final = """\
const serve = Bun.serve.bind(Bun);
const INITIAL = {
  plain_text_input: (e) => ({ value: e.initial_value }),
  static_select: (e) => ({ selected_option: e.initial_option }),
  radio_buttons: (e) => ({ selected_option: e.initial_option }),
  checkboxes: (e) => ({ selected_options: e.initial_options }),
  datepicker: (e) => ({ selected_date: e.initial_date }),
};
let stack = [];
function see(frame) {
  if (frame.t === "view") stack = frame.stack;
}
function fill(raw) {
  const frame = JSON.parse(raw);
  if (frame.t !== "view_submit") return raw;
  const values = frame.values ?? {};
  for (const { type, block_id, element } of stack.at(-1)?.blocks ?? []) {
    if (type !== "input" || values[block_id]?.[element.action_id]) continue;
    const initial = INITIAL[element.type]?.(element) ?? {};
    if (Object.values(initial)[0] === undefined) continue;
    values[block_id] = { [element.action_id]: { type: element.type, ...initial } };
  }
  return JSON.stringify({ ...frame, values });
}
function meant(text) {
  return text
    .replace(/<!date\\^\\d+\\^[^|>]*\\|([^>]*)>/g, "$1")
    .replace(/:([a-z_]+):/g, (written, name) => EMOJI[name] ?? written)
    .replaceAll("&gt;", ">")
    .replaceAll("&lt;", "<\\u2060")
    .replaceAll("&amp;", "&");
}
function readable(key, value) {
  return key === "text" && typeof value === "string" ? meant(value) : value;
}
function show(raw) {
  const frame = JSON.parse(raw);
  see(frame);
  return JSON.stringify(frame, readable);
}
Bun.serve = (options) => {
  const { open, message } = options.websocket;
  const websocket = {
    ...options.websocket,
    open(socket) {
      if (socket.data.kind === "ui") {
        const send = socket.send.bind(socket);
        socket.send = (raw, ...rest) => send(show(String(raw)), ...rest);
      }
      open(socket);
    },
    message: (socket, raw) => message(socket, socket.data.kind === "ui" ? fill(String(raw)) : raw),
  };
  return serve({ ...options, websocket, hostname: "127.0.0.1" });
};
"""
"""Runs in the program's own runtime before it. A joiner behind a foreign "<" keeps it from becoming a mention."""


def script() -> str:
    """The whole preload script."""
    return f"const EMOJI = {json.dumps(EMOJI)};\n{SCRIPT}"
