"""What tables and columns are called: stems of names in the languages companies write them in.

A column is known by an entity and a role: ``kundennr``, ``id_client`` and ``customerId`` are all
(person, id). The lists are stems as they stand in names, without accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SPLIT = re.compile(r"[^A-Za-z0-9]+")
_GERMAN = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
)


def words(*lines: str) -> frozenset[str]:
    """The words of some lines."""
    return frozenset(word for line in lines for word in line.split())


PERSON = words(
    "user users customer customers client clients member members person persons people buyer",
    "shopper profile profiles contact contacts patient patients student students guest guests",
    "kunde kunden kund benutzer nutzer mitglied mitglieder besteller kaeufer anwender",
    "utilisateur utilisateurs acheteur membre membres cliente clientes usuario usuarios",
    "comprador utente utenti klant klanten gebruiker gebruikers kunder bruger brugere",
    "klient klienci uzytkownik uzytkownicy asiakas zakaznik",
)
ACCOUNT = words(
    "account accounts company companies organisation organization organisations organizations",
    "org orgs tenant tenants workspace workspaces team teams firm firma firmen mandant mandanten",
    "unternehmen entreprise entreprises societe societes empresa empresas azienda aziende bedrijf",
    "bedrijven foretag virksomhed",
)
ORDER = words(
    "bestell rechnungs auftrags kauf order orders purchase purchases sale sales invoice invoices",
    "transaction transactions payment payments checkout checkouts bestellung bestellungen",
    "auftrag auftraege rechnung rechnungen verkauf verkaeufe kauf kaeufe zahlung zahlungen",
    "commande commandes facture factures vente ventes",
    "paiement paiements pedido pedidos venta ventas compra compras factura facturas pago",
    "pagos ordine ordini acquisto acquisti fattura fatture bestelling bestellingen factuur ordre",
    "ordrer zamowienie zamowienia encomenda encomendas",
)
CONSENT = words(
    "consent consents permission permissions optin optins agreement agreements gdpr dsgvo rgpd",
    "einwilligung einwilligungen zustimmung zustimmungen consentement consentements",
    "consentimiento consentimientos consenso consensi toestemming toestemmingen samtykke zgoda",
    "zgody preference preferences",
)
SUBSCRIPTION = words(
    "subscription subscriptions membership memberships abo abos abonnement abonnements abonnemente",
    "vertrag vertraege mitgliedschaft mitgliedschaften suscripcion suscripciones abbonamento",
    "abbonamenti assinatura assinaturas abonament abonamenty",
)
EVENT = words(
    "event events activity activities action actions hit hits pageview pageviews clickstream",
    "tracking ereignis ereignisse aktion aktionen aktivitaet aktivitaeten evenement evenements",
    "evento eventos eventi actividad actividades gebeurtenis gebeurtenissen haendelse zdarzenia",
)
SESSION = words("session sessions sitzung sitzungen sesion sessione sessie visit besuch visite")
VISITOR = words("anonymous anon visitor besucher visiteur visitante cookie anonym")
DEVICE = words("device geraet appareil dispositivo apparaat installation install")

ID = words("id nr no num nummer number numero key uuid guid ref code kennung kennzeichen")
AT = words("at on am le el date datum time zeit zeitpunkt fecha heure hora ts timestamp data tijd")
CREATED = words(
    "created create creation registered registration inserted added signup signedup joined",
    "angelegt erstellt registriert erfasst anlage cree creee creation inscrit inscription",
    "creado creacion alta registrado creato creazione iscritto criado criacao aangemaakt oprettet",
    "skapad utworzono seit since",
)
UPDATED = words(
    "updated update modified modification changed lastmodified lastupdate geaendert aktualisiert",
    "aenderung modifie modifiee maj actualizado modificado actualizacion aggiornato modificato",
    "gewijzigd bijgewerkt opdateret uppdaterad zmieniono zaktualizowano",
)
OCCURRED = words(
    "occurred happened time timestamp ts when date datum zeit zeitpunkt zeitstempel fecha hora",
    "heure horodatage data ordered placed purchased paid completed bestellt gekauft bezahlt",
    "commande achete paye pedido comprado pagado ordinato acquistato pagato besteld betaald",
    "invoicedate orderdate bestelldatum auftragsdatum rechnungsdatum kaufdatum",
    "given granted accepted agreed erteilt zugestimmt akzeptiert donne accepte otorgado aceptado",
    "event ereignis evenement evento started start beginn begonnen begin debut inicio inizio von",
    "from abgeschlossen",
)
REFUNDED = words(
    "refund refunded refunds erstattet erstattung erstattungs rueckerstattet rueckerstattung",
    "gutschrift rembourse remboursement reembolso reembolsado rimborso rimborsato terugbetaald",
    "refusion zwrot",
)
ENDED = words(
    "ended end ende cancelled canceled cancellation expires expired gekuendigt kuendigung beendet",
    "ablauf bis until fin termine resilie resiliation cancelado finalizado fine disdetta beeindigd",
)
AMOUNT = words(
    "amount total sum revenue value price betrag summe gesamt gesamtbetrag gesamtsumme umsatz",
    "preis endbetrag brutto netto montant prix totale importe precio importo prezzo valor preco",
    "bedrag prijs totaal belob belopp kwota suma grandtotal subtotal",
)
UNIT_PRICE = words("unitprice priceperunit einzelpreis stueckpreis prixunitaire preciounitario")
QUANTITY = words("quantity qty menge anzahl stueck quantite cantidad quantita aantal antal ilosc")
MINOR = words("cent cents minor centimes centimos pence")
CURRENCY = words("currency waehrung devise moneda valuta divisa moeda munt waluta currencycode")
EMAIL = words(
    "email emails mail mailadresse emailadresse emailaddress courriel correo correoelectronico",
    "epost eposta",
)
VERIFIED = words(
    "verified confirmed validated bestaetigt verifiziert verifie confirme verificado confirmado",
    "verificato confermato geverifieerd bevestigd",
)
PHONE = words(
    "phone telephone mobile cell tel telefon telefonnummer handy handynummer mobil rufnummer",
    "telefono telefoon telefoonnummer movil portable cellulare",
)
COUNTRY = words("country countrycode land landes laendercode pays pais paese kraj")
LOCALE = words("locale language lang sprache langue idioma lingua taal")
EVENT_NAME = words(
    "event eventname name action type typ eventtype ereignis aktion art evenement evento accion",
    "azione activity",
)
EVENT_ID = words("event message msg insert delivery record ereignis evenement evento")
URL = words("url pageurl uri seite page pagina adresse")
REFERRER = words("referrer referer")
USER_AGENT = words("useragent ua")
ANALYTICS = words(
    "analytics analyse analysis analytik tracking statistik statistics statistiques mesure",
    "estadisticas analitica statistiche performance",
)
MARKETING = words(
    "marketing newsletter werbung werbe advertising ads publicite publicidad pubblicita reclame",
    "mailing promo promotions",
)
PURPOSE = words("purpose zweck category kategorie finalite categorie proposito finalidad scopo")
GRANTED = words(
    "granted given accepted agreed consented status value wert erteilt zugestimmt akzeptiert ok",
    "donne accorde accepte otorgado aceptado concesso accettato verleend state optin",
)
# What must not be copied because nobody asked for it: it names people or lets them in.
PRIVATE = words(
    "name firstname lastname fullname vorname nachname nom prenom nombre apellido apellidos nome",
    "cognome achternaam voornaam street strasse address adresse anschrift rue direccion indirizzo",
    "zip plz postcode birth birthday birthdate geburtstag geburtsdatum naissance nacimiento ip",
    "password passwort passwd hash salt secret token iban bic bank card karte ssn tax steuer",
    "comment kommentar note notes notiz notizen bemerkung message text body description",
    "latitude longitude lat lon lng",
)
# What a table holds parts or copies of, whatever it is called besides.
PARTS = words(
    "item items line lines position positionen detail details history historie archive archiv",
    "posten zeilen ligne lignes linea lineas riga righe regel regels tag tags type types status",
)
PROVIDERS = ("stripe", "shopify", "hubspot", "salesforce", "intercom", "zendesk", "paypal", "auth0")

_ENTITIES = PERSON | ACCOUNT | ORDER | SESSION | VISITOR | DEVICE | SUBSCRIPTION | EVENT_ID
_ROLES = ID | AT | MINOR | AMOUNT
_STEMS = sorted(
    _ENTITIES | REFUNDED | AMOUNT | CREATED | UPDATED | EMAIL | URL | ENDED, key=len, reverse=True
)
_SHORTEST = 3


@cache
def pieces(name: str) -> tuple[str, ...]:
    """The words of a name in small letters without accents; compounds are taken apart.

    ``BestellNr``, ``bestellnr`` and ``bestell_nr`` are the same; what is no known compound stays.
    """
    ascii_name = unicodedata.normalize("NFKD", name.translate(_GERMAN))
    ascii_name = ascii_name.encode("ascii", "ignore").decode()
    parts = [word for part in _SPLIT.split(ascii_name) for word in _CAMEL.split(part) if word]
    return tuple(piece for word in parts for piece in _apart(word.lower()))


def _apart(word: str) -> tuple[str, ...]:
    """``kundennr`` as (kunden, nr): a stem and what such stems end in."""
    if word in _ROLES or any(word in known for known in _WHOLE):
        return (word,)
    for stem in _STEMS:
        rest = word.removeprefix(stem)
        if rest != word and len(stem) >= _SHORTEST:
            linked = rest[1:] if rest[:1] in ("s", "n") and rest[1:] in _ROLES else rest
            if linked in _ROLES:
                return (stem, linked)
    if word.startswith("id") and word[2:] in _ENTITIES:
        return ("id", word[2:])
    return (word,)


_WHOLE = (
    PERSON,
    ACCOUNT,
    ORDER,
    CONSENT,
    SUBSCRIPTION,
    EVENT,
    EMAIL,
    PHONE,
    OCCURRED,
    AMOUNT,
    CURRENCY,
    COUNTRY,
    UNIT_PRICE,
    PRIVATE,
)


def has(given: Iterable[str], *lists: frozenset[str]) -> bool:
    """Whether each list has one of the words; two that follow each other may be written as one."""
    parts = tuple(given)
    together = {*parts, *(a + b for a, b in pairwise(parts))}
    return all(together & known for known in lists)
