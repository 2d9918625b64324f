// Clips play while they are seen, and a line runs along their reward.
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
function unpack(video) { // some phones play no data: URL
  const [, data] = video.src.split(",");
  if (!video.src.startsWith("data:")) return;
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
}
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) unpack(target);
    if (isIntersecting && !still && !target.dataset.held) target.play().catch(() => {});
    else target.pause();
  }
}, { threshold: 0.2 });
function follow(video, line) {
  if (video.duration) {
    const x = (100 * video.currentTime) / video.duration;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
  }
  requestAnimationFrame(() => follow(video, line));
}
for (const video of document.querySelectorAll("video")) {
  seen.observe(video);
  const line = video.closest("figure").querySelector(".now");
  if (!line) continue; // the agent's own video has controls
  follow(video, line);
  video.addEventListener("click", () => {
    video.dataset.held = video.paused ? "" : "1";
    video.paused ? video.play() : video.pause();
  });
}
