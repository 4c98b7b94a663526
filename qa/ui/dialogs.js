// A dialog has the keyboard until it is answered, and then gives it back to what opened it. Escape
// answers it with "no"; without one, it stops what is being answered.
(() => {
  let open = null, opener = null;
  const refusal = () => [...document.querySelectorAll('.dialog .no')].find(no => no.offsetParent);
  const parts = dialog => [...dialog.querySelectorAll('textarea, button')].filter(part => part.offsetParent);

  const follow = () => {
    const dialog = refusal()?.closest('.dialog') ?? null;
    if (dialog === open) return;
    open = dialog;
    if (!dialog) return opener?.isConnected && opener.focus();
    dialog.setAttribute('role', 'dialog');
    dialog.setAttribute('aria-modal', 'true');
    (dialog.querySelector('textarea') ?? refusal()).focus();
  };
  new MutationObserver(follow).observe(document, {
    childList: true, subtree: true, attributes: true, attributeFilter: ['class', 'style'],
  });

  document.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (button && !button.closest('.dialog')) opener = button;
  }, true);
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape') (refusal() ?? document.getElementById('stop'))?.click();
    if (event.key !== 'Tab' || !open) return;
    const all = parts(open), at = all.indexOf(document.activeElement);
    event.preventDefault();
    all.at((at + (event.shiftKey ? -1 : 1)) % all.length).focus();
  });
})();
