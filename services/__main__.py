"""The `reserve` command."""


def main() -> None:
    raise SystemExit("not yet")


if __name__ == "__main__":
    main()
