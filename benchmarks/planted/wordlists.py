"""Sorts of words of the embedded corpus that several kinds need, each as a frozenset; a word is in one genre alone."""

GENRES = {
    "mystery": """
        alibi blackmailer bloodstained boarding brass candle cipher coded coroner country detective empty envelope estate eye false
        fingerprint footstep glove harbour heir keyhole killer ledger librarian library locksmith missing mystery poisoner private
        reporter safe seaside university whodunit
    """,
    "western": """
        army baron blacksmith border bounty canyon cattle cowboy crooked deed drifter drover dry fort frontier grabber gunslinger herd
        homestead horse hunter land lantern marshal mesa outlaw payroll preacher railway ranch rancher rider saddle sheriff silver spotted
        spur stagecoach valley wanted western
    """,
    "horror": """
        abandoned asylum attic black block caretaker cellar chiller coffin cradle crypt curse demon diary doll farmhouse flooded ghost
        gravedigger horror masked medium mirror moth nurse porcelain priest raven rectory seance shroud stranger tower tutor vampire
        whisper witch
    """,
    "romance": """
        bakery balcony ballroom bouquet charming doctor dress engagement florist flower garden lakeside liar market matchmaker overture
        painter photograph pianist pressed ribbon rich ring romance romantic rooftop rose schoolmate schoolteacher serenade spa stern
        suitor translator uncle villa waltz widowed
    """,
    "comedy": """
        angry bathtub cake club collector comedy dentist department failed fake farce golf goose grand guest handbag health holiday host
        magician marrow mayor moustache neighbour parrot planner porter prize pudding pyjamas runaway satire snobbish store studio tax
        trombone umbrella waiter weatherman winning wrong
    """,
    "war": """
        armistice banner barracks battle besieged bombed breaker bugle commander convoy crate deserter enemy epic field firing flag
        general hospital medal medic military morphine muddy parachute pass photographer regiment rifle sentry sergeant sniper spy squad
        traitor trench war
    """,
    "space": """
        alien android astronaut base beacon botanist capsule cargo chip colony comet computer copy core designer distress dying engineer
        fiction fossil gravity ice linguist lunar memory moon mutineer nebula opera orbit orbital oxygen planet queen reactor robot rogue
        satellite science signal space star station sun tank underground
    """,
    "heist": """
        armoured art auction bag bank blueprint blueprints boss caper cash casino crosser dealer diamond double driver emerald gangster
        getaway hacker heist insurance jackpot manager museum officer painting racecourse ransom retired safecracker sapphire sharp statue
        tunnel undercover vault
    """,
    "courtroom": """
        appeal attorney bailiff banker cell chemical confession contract corrupt county court courtroom defence district docket file firm
        forged gavel judge juror jury landlord law lawyer legal lying murder oath prosecutor recording ruthless signature statute
        stenographer summons supreme testimony thriller trial weapon
    """,
    "sea": """
        admiral adventure albatross anchor bell broken captain's chest compass cook coral diver frozen harpoon harpooner island keel
        keeper lagoon lighthouse log mapmaker mast mutinous naval pearl pirate port schooner sea slave smuggler stowaway strait sunken
        tide trader treasure whale whaling wrecked
    """,
}
GENRES = {genre: frozenset(words.split()) for genre, words in GENRES.items()}
PRAISE = frozenset(
    """
    great good excellent superb wonderful brilliant fine lovely charming beautiful delightful impressive strong fantastic clever engaging
    enjoyable perfect splendid terrific stunning original elegant entertaining fascinating thoughtful warm convincing satisfying remarkable
    outstanding magnificent glorious flawless inspired powerful rich sincere smart special likeable lively exciting interesting pleasing
    rewarding sophisticated solid breathtaking graceful honest confident energetic accomplished daring creative amusing fresh bold intelligent
    amazing faultless sparkling pleasant gorgeous radiant divine gentle passionate vibrant memorable gripping subtle sharp absorbing tight crisp
    nuanced exquisite polished unforgettable moving restrained luminous masterly unhurried spellbinding poetic tender precise
    """.split()
)
BLAME = frozenset(
    """
    bad awful terrible boring dull poor weak dreadful horrible lazy lame stupid ridiculous pathetic annoying irritating embarrassing
    disappointing confusing empty dreary dismal lousy miserable painful hopeless rotten worthless ugly useless messy forced fake flawed
    frustrating feeble depressing childish careless awkward crude disjointed ludicrous meaningless mindless nasty obnoxious insipid joyless
    charmless distracting exhausting ineffective inferior insulting idiotic horrendous unpleasant troubled vile shaky inadequate dumb wrong
    regrettable flat wooden stale thin bland uneven muddled plodding stilted tedious pointless clumsy predictable forgettable clunky leaden limp
    murky cluttered shapeless overcooked drab
    """.split()
)
ASPECTS = frozenset(
    """
    acting plot story script pacing score music dialogue writing photography lighting editing ending finale humour wit design direction staging
    craft performances twists songs lines images costumes sets characters scenes jokes soundtrack rhythm tempo cutting structure banter
    """.split()
)
GENRE_NAMES = frozenset(
    """
    drama story comedy western mystery thriller romance farce satire adventure whodunit caper chiller epic opera
    """.split()
)
PLACES = frozenset(
    """
    town house camp ship casino museum lighthouse farmhouse station city village hall hotel court island port villa market bakery garden fort
    ranch valley asylum rectory mine ballroom studio club store hospital pass trench base planet colony moon bank train racecourse firm cell
    room strait schooner library estate
    """.split()
)
THINGS = frozenset(
    """
    key glove portrait letter safe deed poster herd payroll box doll mirror coffin curse diary ring rose ticket dress photograph cake goose
    suitcase moustache marrow radio map medal morphine flag signal tank fossil chip core vault painting cash blueprints statue confession file
    recording will weapon contract bell pearl log compass gold ledger diamond
    """.split()
)
FEELINGS = frozenset(
    """
    amazed amused angry annoyed appalled astonished bored captivated charmed cheerful confused delighted depressed disappointed disgusted
    dismayed distracted embarrassed enchanted encouraged entertained excited exhausted fascinated frustrated glad gloomy grateful happy hopeful
    impressed inspired insulted irritated miserable overjoyed pleased restless sad thankful thrilled tired unhappy weary
    """.split()
)
