"""What stands beside and above the conversation: places, members, the bot, and a welcome with examples."""

from __future__ import annotations

import html
from collections.abc import Iterable

from .world import BOT_NAME, World

#: What a newcomer may click first.
EXAMPLES = ("/imagine a red heart", "/imagine a fox on a blue background count:4", "/imagine 🐼 steps:40")


def sidebar(world: World, current: str, note: str | None = None) -> str:
    """The column on the left. `current` is the key of the page's view, the note about the bot that runs."""
    noted = f'\n      <p id="playground-note">{html.escape(note)}</p>' if note else ""
    links = "\n".join(_link(f"#{name}", name, name == current) for name in world.channels)
    talks = "\n".join(
        _link(f"@{BOT_NAME}", _talk(name), _talk(name) == current, f' data-member="{actor.id}"')
        for name, actor in world.members.items()
    )
    members = "\n".join(
        f'        <button type="button" role="radio" data-member="{actor.id}" data-talk="{_talk(name)}"'
        f' data-name="{html.escape(name)}">'
        f"{html.escape(name)} <small>{html.escape(_about(world, name))}</small></button>"
        for name, actor in world.members.items()
    )
    return f"""    <aside id="playground-side">
      <p><strong>This is a playground.</strong> The bot is real, Discord is simulated on this computer.</p>{noted}
      <h2>Channels</h2>
      <nav aria-label="Channels">
{links}
      </nav>
      <nav id="playground-threads" aria-label="Threads"></nav>
      <h2>Direct messages</h2>
      <nav aria-label="Direct messages">
{talks}
      </nav>
      <h2>You are</h2>
      <div id="playground-members" role="radiogroup" aria-label="You are">
{members}
      </div>
      <h2>The bot</h2>
      <p id="playground-bot" role="status">Bot: connecting…</p>
      <div id="playground-deeds" hidden>
        <button type="button" data-do="restart">Restart the bot</button>
        <button type="button" data-do="kill">Kill it (-9)</button>
        <p>It comes back and goes on with what it was drawing.</p>
        <div id="playground-workers" hidden>
          <button type="button" data-do="kill_worker">Kill a worker (-9)</button>
          <p role="status"></p>
        </div>
      </div>
    </aside>"""


def welcome() -> str:
    """The beginning of a conversation."""
    examples = "\n".join(
        f'<li><button type="button" data-example="{html.escape(text)}"><code>{html.escape(text)}</code></button></li>'
        for text in EXAMPLES
    )
    return f"""<section id="playground-welcome" aria-label="Welcome">
      <h2>Welcome!</h2>
      <p>Type <code>/imagine</code> and what you want to see, or click on one of these:</p>
      <ul>
{examples}
      </ul>
      <p>The built-in model draws one thing at a time: an animal, a fruit, a car. <code>/models</code> says which.</p>
      <p>React with 🔁 to draw a result again. <code>/help</code> says what else there is.</p>
    </section>"""


def talk_keys(members: Iterable[str]) -> dict[str, str]:
    """The key of each member's own conversation with the bot."""
    return {_talk(name): name for name in members}


def _talk(name: str) -> str:
    return f"dm-{name.lower()}"


def _link(caption: str, key: str, is_current: bool, more: str = "") -> str:
    current = " aria-current=page" if is_current else ""
    return f'        <a href="/?channel={html.escape(key)}"{current}{more}>{html.escape(caption)}</a>'


def _about(world: World, name: str) -> str:
    """What a member is on the server: the names of their roles, and whether they may set it up."""
    member = world.server._guild.members[world.members[name].id]
    roles = [world.server._guild.roles[role] for role in member.role_ids if role in world.server._guild.roles]
    if any(role.permissions & (1 << 5) for role in roles):
        return "admin"
    return ", ".join(role.name for role in roles if role.id != world.server.id) or "member"
