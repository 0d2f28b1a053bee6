// A page of the newest revision is loaded anew when there is a newer one, unless somebody types into it.
const page = document.currentScript;
async function follow() {
  try {
    const answer = await fetch("/v1/head", { cache: "no-cache" });
    if (answer.ok) {
      const head = await answer.json();
      const pin = `${head.revision}-${head.seal.slice(0, 16)}`;
      const isTyping = [...document.querySelectorAll("input:not([type=hidden])")].some(
        (field) => field === document.activeElement || field.value !== field.defaultValue,
      );
      if (pin !== page.dataset.pin && !isTyping) {
        location.reload();
        return;
      }
    }
  } catch {
    // The service does not answer now: it is asked again.
  }
  setTimeout(follow, 2000);
}
setTimeout(follow, 2000);
