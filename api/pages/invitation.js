const token = location.pathname.split('/').pop();
const invitation = `/v1/invitations/${encodeURIComponent(token)}`;
const status = document.querySelector('[role=status]');
const form = document.querySelector('form');

/** Texts are put in as text: an organisation's name is whatever it likes to be called. */
async function introduce() {
  const response = await fetch(`${invitation}/organisation`);
  const answer = await response.json();
  if (!response.ok) {
    status.textContent = answer.detail;
    return;
  }
  document.querySelector('h1').textContent = `Welcome to ${answer.name}`;
  document.querySelector('#organisation').textContent =
    `${answer.name} invites you to ${answer.host}. The invitation is good until ${new Date(answer.expiresAt).toLocaleString()}.`;
  status.textContent = '';
  form.hidden = false;
}

introduce().catch(() => {
  status.textContent = 'This page could not reach the service. Please load it again.';
});

async function accept() {
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  const response = await fetch(`${invitation}/acceptance`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  const answer = await response.json();
  if (response.ok) {
    form.hidden = true;
    status.textContent =
      'Your account is ready. Sign in at this address with your e-mail address and the password you chose; how is told at /docs (POST /v1/sessions).';
  } else {
    status.textContent = [
      answer.detail,
      ...(answer.errors ?? []).map((each) => `${each.pointer}: ${each.detail}`),
    ].join('\n');
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  status.textContent = 'One moment …';
  accept().catch(() => {
    status.textContent = 'This page could not reach the service. Please try again.';
  });
});
