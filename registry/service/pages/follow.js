// A page of the newest revision is loaded anew when there is a newer one; where somebody types into it, it says so.
const page = document.currentScript;
const newer = document.getElementById("newer");

function isTyping() {
  return [...document.querySelectorAll("input:not([type=hidden])")].some(
    (field) => field === document.activeElement || field.value !== field.defaultValue,
  );
}

function say(text, link) {
  if (newer === null || newer.textContent === text + link) {
    return;
  }
  newer.textContent = text;
  if (link !== "") {
    const anchor = document.createElement("a");
    anchor.href = location.pathname + location.search;
    anchor.textContent = link;
    newer.append(anchor);
  }
}

async function follow() {
  try {
    const answer = await fetch("/v1/head", { cache: "no-cache" });
    if (!answer.ok) {
      throw new Error(answer.statusText);
    }
    const head = await answer.json();
    if (`${head.revision}-${head.seal.slice(0, 16)}` === page.dataset.pin) {
      say("", "");
    } else if (isTyping()) {
      say(`Revision ${head.revision} is newer. `, "Show it");
    } else {
      location.reload();
      return;
    }
  } catch {
    say("The service does not answer now, so this may be the past.", "");
  }
  setTimeout(follow, 2000);
}
setTimeout(follow, 2000);
