"use strict";
/* A page on one recording: unpack what is inside, draw it. */
(async () => {
  const sound = document.getElementById("sound"), place = document.getElementById("recording");
  try {
    const [code, data] = await Promise.all(["plotting", "data"].map((id) => emotrace.unpacked(document.getElementById(id).textContent.trim())));
    const script = document.createElement("script");
    script.textContent = code;
    document.head.append(script);
    const bytes = Uint8Array.from(atob(sound.textContent.trim()), (letter) => letter.charCodeAt(0));
    const address = bytes.length ? URL.createObjectURL(new Blob([bytes], { type: "audio/mpeg" })) : null;
    emotrace.show(place, JSON.parse(data), { sound: address, level: "h1", open: true });
  } catch (error) {
    document.getElementById("failed").hidden = false;
    throw error;
  }
})();
