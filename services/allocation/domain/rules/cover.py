"""Days of cover: how long an award lasts at the consumption that its partner stated. What a reserve buys is time."""


def days_of_cover(mass_g: int, daily_consumption_g: int) -> str:
    """Tenths of days, rounded down, as a decimal string: "12.5"."""
    tenths = 10 * mass_g // daily_consumption_g
    return f"{tenths // 10}.{tenths % 10}"
