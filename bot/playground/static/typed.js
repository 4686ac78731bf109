/** What somebody has typed into the message field, read as Discord reads it, and what is wrong with an option. */

/**
 * A text that starts with a whole command and a space: the command, and its options. What follows goes into the first
 * option; `name: value` fills the option of that name.
 */
export function readTyped(entries, text) {
  const typed = text.replace(/\s/g, " ");
  const entry = entries
    .filter(({ invocation }) => typed.toLowerCase().startsWith(`/${invocation} `.toLowerCase()))
    .sort((a, b) => b.invocation.length - a.invocation.length)[0];
  if (!entry) return null;
  const rest = typed.slice(entry.invocation.length + 2).trimStart();
  const fillable = entry.options.filter((option) => option.type !== "attachment");
  const first = fillable.find((option) => option.required) ?? fillable[0];
  return { entry, values: rest && first ? readNamed(fillable, first, rest) ?? { [first.name]: rest } : {} };
}

/** A text typed into the option `first` that names options, as "two cats count: 4" does: the values by name, or null. */
export function readNamed(options, first, text) {
  const names = options.filter((option) => option.type !== "attachment").map((option) => option.name).join("|");
  const values = {};
  let name = first.name;
  let from = 0;
  for (const match of text.matchAll(new RegExp(`(?:^|\\s)(${names}):\\s?`, "g"))) {
    const before = text.slice(from, match.index).trim();
    if (before) values[name] = before;
    name = match[1];
    from = match.index + match[0].length;
  }
  if (!from) return null;
  values[name] = text.slice(from).trim();
  for (const option of options) {
    if (option.type === "boolean" && /^(true|false)$/i.test(values[option.name] ?? "")) {
      values[option.name] = values[option.name].toLowerCase() === "true";
    }
  }
  return values;
}

/** One sentence that says what the option takes. */
export function optionError(option, code) {
  if (!option) return "The bot does not take this value.";
  const { name, type, choices } = option;
  const number = type === "integer" ? "a whole number" : "a number";
  if (type === "integer" || type === "number") {
    return `${name} is ${number}${range(option.minValue, option.maxValue)}.`;
  }
  if (code === "option-length") return `${name} is a text${range(option.minLength, option.maxLength)} characters.`;
  if (code === "option-choice" && choices?.length) return `${name} is one of: ${choices.map((one) => one.name).join(", ")}.`;
  if (code === "option-file-type") return `${name} does not take this type of file.`;
  return `Choose ${name} from the list.`;
}

function range(least, most) {
  if (least != null && most != null) return ` from ${least} to ${most}`;
  if (least != null) return ` of at least ${least}`;
  return most != null ? ` of at most ${most}` : "";
}
