/** Our own part of the page. This module runs before SimCord's app.js. */

import "./viewer.js";
import "./bot.js";
import "./reactions.js";
import "./following.js";
import "./hints.js";
import "./menus.js";
import "./threads.js";

// SimCord's page takes its capability from the address. Ours comes with the page, so that the address stays short
// and a reload after a restart of the playground works.
const capability = document.querySelector('meta[name="playground-capability"]').content;
history.replaceState(null, "", `#${capability}`);
