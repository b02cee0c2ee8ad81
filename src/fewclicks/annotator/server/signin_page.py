"""The page that asks who somebody is, in the language of the browser where there are words for it."""

import html
from typing import Literal

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

Says = Literal["address", "used", "wrong", "wrong_name", "too_many"]
"""What the page says above its form."""

WORDS = {
    "en": {
        "title": "sign in",
        "address": "Open the address that fewclicks annotate printed, with its token.",
        "used": "This link was used already, or is too old. {address}",
        "wrong": "That is not the token. {address}",
        "wrong_name": "No one here has that name and that password.",
        "too_many": "Too many wrong passwords; wait a minute, then try again.",
        "name": "Your name",
        "password": "Password, or a token without a name",
        "token": "Or enter the token",
        "enter": "Sign in",
    },
    "de": {
        "title": "anmelden",
        "address": "Öffnen Sie die Adresse, die fewclicks annotate ausgegeben hat, samt ihrem Token.",
        "used": "Dieser Link wurde schon benutzt oder ist zu alt. {address}",
        "wrong": "Das ist nicht das Token. {address}",
        "wrong_name": "Niemand hier hat diesen Namen und dieses Passwort.",
        "too_many": "Zu viele falsche Passwörter; warten Sie eine Minute und versuchen Sie es dann noch einmal.",
        "name": "Ihr Name",
        "password": "Passwort, oder ein Token ohne Namen",
        "token": "Oder geben Sie das Token ein",
        "enter": "Anmelden",
    },
}
"""The same texts in each language, which the page in web/ has too."""

PAGE = """<!doctype html>
<html lang="{language}">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />{refresh}
    <title>fewclicks: {title}</title>
    <link rel="icon" href="/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/style.css" />
  </head>
  <body class="sign-in">
    <form method="post" action="/login">
      <h1>fewclicks</h1>
      <p>{says}</p>
{named}      <label for="token">{secret}</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required{focus} />
      <button type="submit" class="button">{enter}</button>
    </form>
  </body>
</html>
"""
NAMED = """      <label for="name">{name}</label>
      <input id="name" name="name" type="text" autocomplete="username" maxlength="100" autofocus />
"""
"""Asked for where people have names and passwords."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    # With no-referrer a form says that it comes from nowhere, and is refused; this names the server without its path.
    "Referrer-Policy": "strict-origin",
    "Vary": "Accept-Language",
}
REFRESH = '\n    <meta http-equiv="refresh" content="0" />'


def ask(request: Request, says: Says, again: bool = False, by_name: bool = False, status: int = 401) -> Response:
    """The page that asks for the token, or a name and a password; `again`: it loads itself once more first."""
    language = language_of(request.headers.get("accept-language", ""))
    words = {key: html.escape(text) for key, text in WORDS[language].items()}
    text = PAGE.format(
        language=language,
        title=words["title"],
        refresh=REFRESH if again else "",
        says=words[says].format(address=words["address"]),
        named=NAMED.format(name=words["name"]) if by_name else "",
        secret=words["password" if by_name else "token"],
        focus="" if by_name else " autofocus",
        enter=words["enter"],
    )
    return HTMLResponse(text, status, PAGE_HEADERS)


def language_of(accepted: str) -> str:
    """Give the language of WORDS that the header Accept-Language likes best; English where it names none of them."""
    liked = list[tuple[float, str]]()
    for part in accepted.split(","):
        tag, _, weight = part.partition(";")
        language = tag.strip().partition("-")[0].lower()
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if language in WORDS and quality > 0:
            liked.append((quality, language))
    return max(liked, key=lambda one: one[0])[1] if liked else "en"
