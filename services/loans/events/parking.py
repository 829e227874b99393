"""Messages of other services that are put aside here."""

from shared.terms import parking


class MessageParked(parking.MessageParked, frozen=True, kw_only=True, tag="loans.message_parked.v1"):
    pass


class ParkingConfirmed(parking.ParkingConfirmed, frozen=True, kw_only=True, tag="loans.parking_confirmed.v1"):
    pass


class ParkingLapsed(parking.ParkingLapsed, frozen=True, kw_only=True, tag="loans.parking_lapsed.v1"):
    pass


class MessagesUnparked(parking.MessagesUnparked, frozen=True, kw_only=True, tag="loans.messages_unparked.v1"):
    pass


ParkingEvent = MessageParked | ParkingConfirmed | ParkingLapsed | MessagesUnparked

EVENTS = parking.ParkingEvents(parked=MessageParked, confirmed=ParkingConfirmed, lapsed=ParkingLapsed, unparked=MessagesUnparked)
